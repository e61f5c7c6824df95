package config

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func parse(t require.TestingT, text string) *Properties {
	p, err := ParseProperties(strings.NewReader(text), "f")
	require.NoError(t, err)
	return p
}

func TestParseProperties(t *testing.T) {
	prop := func(key, value string, line int) Property { return Property{key, value, fmt.Sprintf("f:%d", line)} }
	for text, want := range map[string][]Property{
		"":                                 nil,
		"a=b":                              {prop("a", "b", 1)},
		"a = b ":                           {prop("a", "b ", 1)},
		"a:b\nc d\ne":                      {prop("a", "b", 1), prop("c", "d", 2), prop("e", "", 3)},
		" \t\fa \t = \f b":                 {prop("a", "b", 1)},
		"a==b\nc=:d\ne:=f":                 {prop("a", "=b", 1), prop("c", ":d", 2), prop("e", "=f", 3)},
		"a b=c":                            {prop("a", "b=c", 1)},
		"# no\n ! no\n#no\\\na=1":          {prop("a", "1", 4)},
		"a=#1":                             {prop("a", "#1", 1)},
		"a=1\rb=2\r\nc=3\n\r\nd=4":         {prop("a", "1", 1), prop("b", "2", 2), prop("c", "3", 3), prop("d", "4", 5)},
		"a=1,\\\n   2,\\\r\n\t3\nb=4":      {prop("a", "1,2,3", 1), prop("b", "4", 4)},
		"a=1\\\n\nb=2":                     {prop("a", "1", 1), prop("b", "2", 3)},
		"a=1\\\n#2":                        {prop("a", "1#2", 1)},
		"a=1\\\\\nb=2":                     {prop("a", `1\`, 1), prop("b", "2", 2)},
		"a=1\\":                            {prop("a", "1", 1)},
		"\\\n\\\n":                         {prop("", "", 2)},
		"\\\n \n# no\na=1":                 {prop("a", "1", 4)},
		`a\ b\=c\:d=e`:                     {prop("a b=c:d", "e", 1)},
		`a=\t\n\r\f\x\\\u0041\u00e9\u20AC`: {prop("a", "\t\n\r\fx\\Aé€", 1)},
		`a=\ud83d\ude00!`:                  {prop("a", "😀!", 1)},
		`a=\ud83d!\ude00`:                  {prop("a", "\uFFFD!\uFFFD", 1)},
		"a=ü":                              {prop("a", "ü", 1)},
		"a=1\nb=2\na=3":                    {prop("a", "3", 3), prop("b", "2", 2)},
		"=v":                               {prop("", "v", 1)},
	} {
		require.Equal(t, want, parse(t, text).All(), "%q", text)
	}
}

func TestParsePropertiesErrors(t *testing.T) {
	_, err := ParseProperties(strings.NewReader("a=1\nb=\\u12\nc=\\\n  \\uwxyz\n"), "server.properties")
	require.ErrorContains(t, err, `server.properties:2: malformed escape "\\u12": \u is followed by four hexadecimal digits`)
	require.ErrorContains(t, err, `server.properties:3: malformed escape "\\uwxyz"`)

	broken := errors.New("broken")
	_, err = ParseProperties(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("a=1\nb=2"))), "server.properties")
	require.ErrorIs(t, err, iotest.ErrTimeout)
	_, err = ParseProperties(iotest.ErrReader(broken), "server.properties")
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "server.properties")
}

func TestSetReplaces(t *testing.T) {
	p := parse(t, "a=1\nb=2")
	p.Set("a", "3", "--override")
	p.Set("c", "4", "--override")
	require.Equal(t, []Property{{"a", "3", "--override"}, {"b", "2", "f:2"}, {"c", "4", "--override"}}, p.All())
	_, ok := p.Get("d")
	require.False(t, ok)
}

// TestAnyTextSurvivesAPropertiesFile writes arbitrary keys and values down with escapes, separators, comments and
// continuations put in by chance, and reads them back.
func TestAnyTextSurvivesAPropertiesFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// A list of the characters that mean something, and others.
		text := rapid.StringOf(rapid.OneOf(rapid.SampledFrom([]rune(" \t\f\n\r=:#!\\u0a")), rapid.Rune()))
		dice := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		var file strings.Builder
		want := &Properties{}
		for range rapid.IntRange(0, 5).Draw(t, "lines") {
			key, value := text.Draw(t, "key"), text.Draw(t, "value")
			want.Set(key, value, "")
			if dice.IntN(3) == 0 {
				file.WriteString("  # comment \\\n \t\n")
			}
			writeEscaped(&file, key, dice)
			file.WriteString([]string{"=", ":", " = ", "\t:\f"}[dice.IntN(4)])
			writeEscaped(&file, value, dice)
			file.WriteString([]string{"\n", "\r", "\r\n"}[dice.IntN(3)])
		}
		got := parse(t, file.String()).All()
		for i := range got {
			got[i].Origin = ""
		}
		require.Equal(t, want.All(), got, "%q", file.String())
	})
}

func writeEscaped(b *strings.Builder, s string, dice *rand.Rand) {
	for _, r := range s {
		if dice.IntN(8) == 0 {
			b.WriteString([]string{"\\\n", "\\\r\n \t", "\\\r\f"}[dice.IntN(3)])
		}
		if dice.IntN(6) == 0 {
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(b, `\u%04x`, unit)
			}
			continue
		}
		switch r {
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		case ' ', '=', ':', '#', '!', '\\': // needed in a key, at a value's start and after a continuation: always, then
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
}

func FuzzParseProperties(f *testing.F) {
	f.Add("a=1\\\n 2\n#c\nb:\\u0041")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProperties(strings.NewReader(text), "f")
		if err != nil {
			return
		}
		total := 0
		for _, prop := range p.All() {
			total += len(prop.Key) + len(prop.Value)
		}
		if total > 3*len(text) { // one byte of bad UTF-8 never becomes more than U+FFFD
			t.Fatalf("%d bytes out of %d", total, len(text))
		}
	})
}
