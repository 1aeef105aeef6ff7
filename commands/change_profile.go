package commands

import (
	"regexp"

	"github.com/calendar-invite-server/cis/domain/organizer"
)

// ChangeProfile changes what others see of an organizer. Nil leaves something as it is.
type ChangeProfile struct {
	Organizer organizer.Ref
	Address   string
	Name      *string
	Language  *string
	By        string
}

var language = regexp.MustCompile(`^([a-z]{2,3})?$`)

// Stream is the organizer's.
func (c ChangeProfile) Stream() string { return organizer.Stream(c.Organizer.OrganizerID) }

// Decide changes what is different.
func (c ChangeProfile) Decide(s organizer.State) ([]organizer.Fact, error) {
	fact := organizer.ProfileChanged{Ref: c.Organizer, Name: s.Name, Language: s.Language, By: c.By}
	if c.Name != nil {
		fact.Name = *c.Name
	}
	if c.Language != nil {
		fact.Language = *c.Language
	}
	switch {
	case !language.MatchString(fact.Language):
		return nil, organizer.ErrLanguage
	case fact.Name == s.Name && fact.Language == s.Language:
		return nil, nil
	}
	return append(register(s, c.Organizer, c.Address, ""), fact), nil
}
