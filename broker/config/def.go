package config

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is a key's type, with the numbers of Kafka's DescribeConfigs response (ConfigType).
type Type int8

// The types of Kafka's keys.
const (
	TypeUnknown  Type = 0
	TypeBoolean  Type = 1
	TypeString   Type = 2
	TypeInt      Type = 3 // 32 bits
	TypeShort    Type = 4 // 16 bits
	TypeLong     Type = 5 // 64 bits
	TypeDouble   Type = 6
	TypeList     Type = 7 // comma-separated
	TypeClass    Type = 8
	TypePassword Type = 9
)

// Def defines one key.
type Def struct {
	Name string
	Type Type
	// Default is the value of a key that is not set, as text. It means nothing when NullDefault.
	Default     string
	NullDefault bool // not set means null: another key, or the machine, decides
	Doc         string
	// Synonym is, for a topic key, the server key that gives its default. Empty: the default is fixed.
	Synonym   string
	ReadOnly  bool // a running broker cannot change it
	Sensitive bool // its value is never shown
	Internal  bool // Kafka's tests use it; DescribeConfigs leaves it out
	// Validate refuses a value with a message that says what is allowed. It is never nil in the tables of this package.
	Validate func(value string) error
}

// ErrInvalid is what every refusal of a value or a key is.
var ErrInvalid = errors.New("invalid configuration")

// Problem is a value that is refused. It is ErrInvalid.
type Problem struct {
	Key, Value string
	Origin     string // "file:line" or "--override"; empty for a topic's config
	Allowed    string // what is allowed instead, in words
}

// Error names the place, the key, the value and what is allowed.
func (p *Problem) Error() string {
	where := ""
	if p.Origin != "" {
		where = p.Origin + ": "
	}
	return fmt.Sprintf("%s%s=%s: %s", where, p.Key, p.Value, p.Allowed)
}

// Is makes errors.Is(p, ErrInvalid) true.
func (p *Problem) Is(target error) bool { return target == ErrInvalid }

// check looks at a trimmed value; "" says that it is allowed, otherwise the text says what is.
type check func(value string) (allowed string)

// newDef makes a Def whose Validate is c.
func newDef(t Type, name, defaultValue string, c check, doc string) Def {
	return Def{Name: name, Type: t, Default: defaultValue, Doc: doc, Validate: func(value string) error {
		if allowed := c(strings.TrimSpace(value)); allowed != "" {
			return &Problem{Key: name, Value: value, Allowed: "allowed is " + allowed}
		}
		return nil
	}}
}

func (d Def) null() Def                 { d.Default, d.NullDefault = "", true; return d }
func (d Def) readOnly() Def             { d.ReadOnly = true; return d }
func (d Def) internal() Def             { d.Internal = true; return d }
func (d Def) synonym(server string) Def { d.Synonym = server; return d }

// Shorthands for the tables. Bounds are inclusive.

func intDef(name string, defaultValue, low, high int64, doc string) Def {
	return newDef(TypeInt, name, strconv.FormatInt(defaultValue, 10), wholeNumber(low, min(high, math.MaxInt32)), doc)
}

func longDef(name string, defaultValue, low, high int64, doc string) Def {
	return newDef(TypeLong, name, strconv.FormatInt(defaultValue, 10), wholeNumber(low, high), doc)
}

func boolDef(name string, defaultValue bool, doc string) Def {
	return newDef(TypeBoolean, name, strconv.FormatBool(defaultValue), trueOrFalse, doc)
}

func stringDef(name, defaultValue, doc string) Def {
	return newDef(TypeString, name, defaultValue, anything, doc)
}

func listDef(name, defaultValue, doc string) Def {
	return newDef(TypeList, name, defaultValue, anything, doc)
}

func enumDef(name, defaultValue, doc string, values ...string) Def {
	return newDef(TypeString, name, defaultValue, oneOf(values...), doc)
}

func anything(string) string { return "" }

func wholeNumber(low, high int64) check {
	return func(value string) string {
		v, err := strconv.ParseInt(value, 10, 64)
		if err == nil && v >= low && v <= high {
			return ""
		}
		return fmt.Sprintf("a whole number from %d to %d", low, high)
	}
}

func realNumber(low, high float64) check {
	return func(value string) string {
		v, err := strconv.ParseFloat(value, 64)
		if err == nil && v >= low && v <= high { // NaN fails both
			return ""
		}
		return fmt.Sprintf("a number from %v to %v", low, high)
	}
}

func trueOrFalse(value string) string {
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return ""
	}
	return "true or false"
}

func oneOf(values ...string) check {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return "one of " + strings.Join(values, ", ")
	}
}

// listOf allows a comma-separated list of values; one that comes twice counts once, as in Kafka.
func listOf(empty bool, values ...string) check {
	return func(value string) string {
		items := splitList(value)
		ok := len(items) > 0 || empty
		for _, item := range items {
			ok = ok && slices.Contains(values, item)
		}
		if ok {
			return ""
		}
		return "a comma-separated list of " + strings.Join(values, ", ")
	}
}

// splitList is Kafka's reading of a list: items are trimmed, an empty text is an empty list.
func splitList(value string) []string {
	if strings.TrimSpace(value) == "" {
		return nil
	}
	items := strings.Split(value, ",")
	for i := range items {
		items[i] = strings.TrimSpace(items[i])
	}
	return items
}

// The readers below take values that a Def has validated.

func parseInt(value string) int64 {
	v, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("config: unvalidated number %q", value))
	}
	return v
}

func parseFloat(value string) float64 {
	v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil {
		panic(fmt.Sprintf("config: unvalidated number %q", value))
	}
	return v
}

func parseBool(value string) bool { return strings.EqualFold(strings.TrimSpace(value), "true") }
