package projector

import "strings"

// Like is a pattern for ILIKE that finds text anywhere; empty for none.
func Like(text string) string {
	if text == "" {
		return ""
	}
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text) + "%"
}
