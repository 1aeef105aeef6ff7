package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/calendar-invite-server/cis/commands"
	"github.com/calendar-invite-server/cis/domain/event"
	"github.com/calendar-invite-server/cis/domain/tenant"
	"github.com/calendar-invite-server/cis/ingest/bulk"
	"github.com/calendar-invite-server/cis/ingest/inbox"
	"github.com/calendar-invite-server/cis/ingest/itip"
	"github.com/calendar-invite-server/cis/ingest/message"
	"github.com/calendar-invite-server/cis/ingest/senderauth"
	"github.com/calendar-invite-server/cis/ingest/smtpd"
	"github.com/calendar-invite-server/cis/internal/address"
	"github.com/calendar-invite-server/cis/internal/ical"
	"github.com/calendar-invite-server/cis/internal/secret"
	"github.com/spf13/cobra"
)

func newMailInspect() *cobra.Command {
	var dns bool
	cmd := &cobra.Command{
		Use: "inspect FILE…", Short: "Say what the server would understand of mails and calendars, and do", Args: cobra.MinimumNArgs(1),
		Long: `Say, a line of JSON per file, what the server would understand and do: who sent it, METHOD, UID, times with their zones
resolved, attendees, the commands that would follow or why there are none. It takes mails (.eml) and bare calendars (.ics),
folders of them, and - for standard input; it needs no server, changes nothing, and looks nothing up unless --dns is given.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, _, err := readConfig(os.Getenv)
			if err != nil {
				return err
			}
			i, err := newInspector(cfg, dns)
			if err != nil {
				return err
			}
			tuneGC()
			out := json.NewEncoder(cmd.OutOrStdout())
			out.SetEscapeHTML(false)
			return eachFile(args, cmd.InOrStdin(), func(file string, data []byte) error {
				return out.Encode(i.inspect(cmd.Context(), file, data))
			})
		},
	}
	cmd.Flags().BoolVar(&dns, "dns", false, "look up keys and policies in the DNS, to prove the sender")
	return cmd
}

// eachFile reads files, folders and standard input. What cannot be read is reported at the end.
func eachFile(args []string, stdin io.Reader, each func(file string, data []byte) error) error {
	var failed []error
	read := func(file string) error {
		data, err := os.ReadFile(file)
		if err != nil {
			failed = append(failed, err)
			return nil
		}
		return each(file, data)
	}
	for _, arg := range args {
		if arg == "-" {
			data, err := io.ReadAll(io.LimitReader(stdin, smtpd.MaxBytes+1))
			if err == nil {
				err = each("-", data)
			}
			if err != nil {
				return err
			}
			continue
		}
		err := filepath.WalkDir(arg, func(path string, d fs.DirEntry, err error) error {
			ext := strings.ToLower(filepath.Ext(path))
			switch {
			case err != nil:
				failed = append(failed, err)
				return nil
			case d.IsDir() || path != arg && ext != ".eml" && ext != ".ics":
				return nil
			}
			return read(path)
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(failed...)
}

// inspector reads as the server does. Its ids come from a key of its own: they mean nothing elsewhere and are not shown.
type inspector struct {
	in   itip.Interpreter
	auth *senderauth.Checker // nil: nothing is looked up
}

func newInspector(cfg *Config, dns bool) (*inspector, error) {
	keys, err := secret.New("cis mail inspect: ids that mean nothing elsewhere")
	if err != nil {
		return nil, err
	}
	i := &inspector{in: itip.Interpreter{Keys: keys, Addresses: address.NewDirectory(cfg.book(), nil)}}
	if dns || cfg.AuthServID != "" {
		enforced := *cfg
		enforced.MailAuth = "enforce"
		i.auth = enforced.checker()
	}
	return i, nil
}

// inspection is a line of the output.
type inspection struct {
	File       string             `json:"file"`
	Kind       string             `json:"kind"`      // mail, calendar
	Decodable  bool               `json:"decodable"` // the mail, and every calendar in it, could be read
	Sender     inspectedSender    `json:"sender"`
	Method     string             `json:"method"`
	UID        string             `json:"uid"`
	Unresolved []string           `json:"zones_unresolved"`
	Events     []inspectedEvent   `json:"events,omitempty"`
	Commands   []inspectedCommand `json:"commands,omitempty"`
	Refusal    *inspectedRefusal  `json:"refusal,omitempty"`
	Report     *message.Report    `json:"report,omitempty"`
	Tables     []inspectedTable   `json:"tables,omitempty"`
	Notes      []string           `json:"notes,omitempty"`
}

type inspectedSender struct {
	Address string   `json:"address,omitempty"`
	Verdict string   `json:"verdict"` // pass, fail, temporary; unchecked: nothing was looked up
	By      string   `json:"by,omitempty"`
	Domain  string   `json:"domain,omitempty"`
	Reason  string   `json:"reason,omitempty"`
	Results string   `json:"results,omitempty"`
	Records []string `json:"records,omitempty"`
}

type inspectedEvent struct {
	UID       string              `json:"uid"`
	Instance  event.InstanceID    `json:"instance,omitempty"`
	Sequence  int                 `json:"sequence"`
	DTStamp   *time.Time          `json:"dtstamp,omitempty"`
	Status    string              `json:"status,omitempty"`
	Summary   string              `json:"summary,omitempty"`
	Location  string              `json:"location,omitempty"`
	Start     *event.Moment       `json:"start,omitempty"`
	End       *event.Moment       `json:"end,omitempty"`
	Series    *event.Recurrence   `json:"recurrence,omitempty"`
	Organizer string              `json:"organizer,omitempty"`
	Attendees []inspectedAttendee `json:"attendees,omitempty"`
	Comment   string              `json:"comment,omitempty"`
	Problems  []string            `json:"problems,omitempty"`
}

type inspectedAttendee struct {
	Address  string `json:"address"`
	PartStat string `json:"partstat,omitempty"`
	SentBy   string `json:"sent_by,omitempty"`
}

type inspectedCommand struct {
	Command  string           `json:"command"`
	EventUID string           `json:"event_uid,omitempty"` // of ours; of an organizer's event it depends on the installation
	Instance event.InstanceID `json:"instance,omitempty"`
	Attendee string           `json:"attendee,omitempty"`
	Status   string           `json:"status,omitempty"`
}

// inspectedTable is a CSV attachment, which bulk invites come as.
type inspectedTable struct {
	Count int        `json:"count"`
	Rows  []bulk.Row `json:"rows"` // the first of them
	Error string     `json:"error,omitempty"`
}

type inspectedRefusal struct {
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
	Held   bool   `json:"held,omitempty"` // somebody could still release it
}

func (i *inspector) inspect(ctx context.Context, file string, data []byte) (out inspection) {
	out = inspection{File: file, Kind: "mail", Sender: inspectedSender{Verdict: "unchecked"}, Unresolved: []string{}}
	defer func() {
		if p := recover(); p != nil {
			out.Refusal = &inspectedRefusal{Code: "internal-error", Title: "reading it failed; this is a mistake of ours", Detail: fmt.Sprint(p)}
		}
	}()
	m := itip.Mail{Tenant: tenant.Default, Received: time.Now().UTC()}
	var err error
	switch {
	case len(data) > smtpd.MaxBytes:
		out.Refusal = &inspectedRefusal{Code: "too-large", Title: fmt.Sprintf("a mail may have %d bytes", smtpd.MaxBytes)}
		return out
	case isCalendar(file, data):
		out.Kind = "calendar"
		m.Message = &message.Message{Calendars: []message.Calendar{{Data: data}}}
		m.From.Address = author(data)
		out.Sender.Reason = "a bare calendar has no sender; it is taken to come from whom it names"
	default:
		if m.Message, err = message.Parse(data); err != nil {
			out.Refusal = &inspectedRefusal{Code: itip.ErrUnreadable.Code, Title: itip.ErrUnreadable.Title, Detail: err.Error()}
			return out
		}
		i.sender(ctx, data, &m, &out)
	}
	out.Sender.Address = m.From.Address
	r := i.in.Interpret(m)
	out.Decodable, out.Report = !r.Damaged, m.Message.Report
	out.Notes = append(append(out.Notes, m.Message.Warnings...), r.Notes...)
	i.describe(r, &out)
	for _, data := range m.Message.Tables {
		t := inspectedTable{Rows: []bulk.Row{}}
		if len(data) > bulk.MaxBytes {
			t.Error = bulk.ErrTooLarge.Error()
			data = nil
		}
		for row := range bulk.Rows(data) {
			if t.Count++; t.Count <= 1000 {
				t.Rows = append(t.Rows, row)
			}
		}
		out.Tables = append(out.Tables, t)
	}
	return out
}

func (i *inspector) sender(ctx context.Context, raw []byte, m *itip.Mail, out *inspection) {
	m.From = itip.Sender{Address: m.Message.FromAddress, Name: m.Message.FromName}
	if i.auth == nil {
		out.Sender.Reason = "nothing was looked up (--dns); it is taken to come from whom it says"
		return
	}
	v, err := i.auth.Check(ctx, senderauth.Mail{Raw: raw, Message: m.Message, Relayed: true})
	proof := inbox.Proof(tenant.Default, "", v)
	m.From = inbox.SenderOf(m.From, m.Message, proof)
	out.Sender = inspectedSender{Verdict: string(proof.Verdict), By: v.By, Domain: v.Domain, Reason: v.Reason, Results: v.Results, Records: v.Records}
	if err != nil {
		out.Sender.Verdict, out.Sender.Reason = "temporary", err.Error()
	}
}

// isCalendar says whether a file is a bare calendar rather than a mail.
func isCalendar(file string, data []byte) bool {
	head := bytes.TrimLeft(bytes.TrimPrefix(data[:min(len(data), 1000)], []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(head) >= 6 && bytes.EqualFold(head[:6], []byte("BEGIN:")) {
		return true
	}
	return strings.EqualFold(filepath.Ext(file), ".ics")
}

// author is whom a bare calendar comes from, as far as it says: the attendee of an answer, else the organizer.
func author(data []byte) string {
	cal, err := ical.Read(data[:min(len(data), 64<<10)]) // the first event will do
	if err != nil || len(cal.Events) == 0 {
		return "somebody@example.com"
	}
	ev := cal.Events[0]
	who := ev.Organizer.Address
	if answer := cal.Method == "REPLY" || cal.Method == "COUNTER" || cal.Method == "REFRESH"; answer && len(ev.Attendees) > 0 {
		who = ev.Attendees[0].Address
	}
	if who == "" {
		return "somebody@example.com"
	}
	return strings.ToLower(who)
}

func (i *inspector) describe(r itip.Reading, out *inspection) {
	for n, cal := range r.Calendars {
		if n == 0 {
			out.Method = cal.Method
		}
		out.Unresolved = append(out.Unresolved, cal.Unknown...)
		for _, ev := range cal.Events {
			if out.UID == "" {
				out.UID = ev.UID
			}
			out.Events = append(out.Events, describeEvent(ev))
		}
	}
	for _, a := range r.Actions {
		if out.Method == "" {
			out.Method = a.Method
		}
		out.Commands = append(out.Commands, describeAction(a)...)
	}
	if r.Refusal != nil {
		out.Refusal = &inspectedRefusal{Code: r.Refusal.Code, Title: r.Refusal.Title, Detail: r.Refusal.Detail, Held: inbox.Held(r.Refusal)}
	}
}

func describeEvent(ev ical.Event) inspectedEvent {
	d := inspectedEvent{
		UID: ev.UID, Instance: ev.Instance, Sequence: ev.Sequence, Status: ev.Status, Summary: ev.Summary, Location: ev.Location,
		Organizer: ev.Organizer.Address, Comment: ev.Comment, Problems: ev.Problems,
	}
	if !ev.DTStamp.IsZero() {
		d.DTStamp = &ev.DTStamp
	}
	if !ev.Start.IsZero() {
		d.Start = &ev.Start
	}
	if !ev.End.IsZero() {
		d.End = &ev.End
	}
	if !ev.Recurrence.IsZero() {
		d.Series = &ev.Recurrence
	}
	for _, a := range ev.Attendees {
		d.Attendees = append(d.Attendees, inspectedAttendee{Address: a.Address, PartStat: a.PartStat, SentBy: a.SentBy})
	}
	return d
}

func describeAction(a itip.Action) []inspectedCommand {
	d := inspectedCommand{Command: strings.TrimPrefix(fmt.Sprintf("%T", a.Command), "commands."), Instance: a.Instance}
	switch c := a.Command.(type) {
	case commands.RecordReply:
		d.EventUID, d.Attendee, d.Status = c.EventUID, c.Address, string(c.Status)
	case commands.DelegateInvite:
		d.EventUID, d.Attendee = c.EventUID, c.Address
	case commands.RecordCounter:
		d.EventUID, d.Attendee = c.EventUID, c.Address
	case commands.RequestResend:
		d.EventUID, d.Attendee = c.EventUID, c.Address
	case commands.RequestInvite:
		d.EventUID, d.Attendee = c.EventUID, c.Address
	}
	list := []inspectedCommand{d}
	if a.Then != nil {
		list = append(list, describeAction(*a.Then)...)
	}
	return list
}
