// Package eventstore is the one door to the log: EventStoreDB through its official client, wrapped so that it keeps
// working when the server goes away for a while.
//
// It promises: appends are atomic and, because every event carries its own id, safe to repeat; a call ends when its
// context ends, whatever the client library does meanwhile; subscriptions come back by themselves from the position
// the consumer stored. Nobody above this package can tell an EventStoreDB cluster from the embedded store.
//
// In the words of this project an "event" is what people attend; what the log holds is called a record here.
//
// Start reading at [Client.Append] and [Subscriber].
package eventstore
