package config

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Property is one key with its value and the place that set it.
type Property struct {
	Key, Value string
	// Origin is "name:line" for a property of a file, or whatever Set was given ("--override").
	Origin string
}

// Properties holds keys in the order in which they first came. A later value of a key replaces an earlier one,
// as in Java. The zero value is empty and ready to use.
type Properties struct {
	list  []Property
	index map[string]int // key to place in list
}

// Set gives key a value; origin is named in messages about it.
func (p *Properties) Set(key, value, origin string) {
	if i, ok := p.index[key]; ok {
		p.list[i] = Property{key, value, origin}
		return
	}
	if p.index == nil {
		p.index = map[string]int{}
	}
	p.index[key] = len(p.list)
	p.list = append(p.list, Property{key, value, origin})
}

// Get returns the property of that key.
func (p *Properties) Get(key string) (Property, bool) {
	i, ok := p.index[key]
	if !ok {
		return Property{}, false
	}
	return p.list[i], true
}

// All returns the properties in the order in which their keys first came. The slice is the caller's.
func (p *Properties) All() []Property { return append([]Property(nil), p.list...) }

// ParseProperties reads Java's properties syntax (java.util.Properties.load): key=value, key:value or
// key value; # and ! begin comments; a line that ends in an odd number of backslashes goes on in the next; \t \n \r \f
// and \uXXXX are escapes, and a backslash before any other character stands for that character.
// name is the file's, for messages. The error is that of r, or all malformed \u escapes.
func ParseProperties(r io.Reader, name string) (*Properties, error) {
	lines := lineReader{r: bufio.NewReader(r)}
	p := &Properties{}
	var problems []error
	for {
		line, number, err := lines.logical()
		if errors.Is(err, io.EOF) {
			return p, errors.Join(problems...)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		origin := name + ":" + strconv.Itoa(number)
		rawKey, rawValue := splitProperty(line)
		key, keyErr := unescape(rawKey)
		value, valueErr := unescape(rawValue)
		if err := errors.Join(keyErr, valueErr); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", origin, err))
			continue
		}
		p.Set(key, value, origin)
	}
}

// lineReader splits text into Java's natural lines (ended by \n, \r or \r\n) and joins them into logical ones.
type lineReader struct {
	r      *bufio.Reader
	number int // of the natural line read last, from 1
}

// logical returns the next line that is neither blank nor a comment, continuations joined and leading white
// space cut, and the number of its first natural line.
func (l *lineReader) logical() (string, int, error) {
	line, first := "", 0
	for {
		next, err := l.natural()
		if errors.Is(err, io.EOF) && first > 0 {
			return line, first, nil
		}
		if err != nil {
			return "", 0, err
		}
		next = trimLeft(next)
		if line == "" { // a new line, also after a continuation of nothing
			first = 0
			if next == "" || next[0] == '#' || next[0] == '!' {
				continue
			}
			first = l.number
		}
		line += next
		if !endsInContinuation(next) {
			return line, first, nil
		}
		line = line[:len(line)-1]
	}
}

// natural returns the next line without its end, and io.EOF when there is none.
func (l *lineReader) natural() (string, error) {
	var b strings.Builder
	for read := false; ; read = true {
		c, err := l.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF) && read:
			l.number++
			return b.String(), nil
		case err != nil:
			return "", err
		case c == '\r':
			if next, err := l.r.ReadByte(); err == nil && next != '\n' {
				// Cannot fail: it undoes the read just before.
				_ = l.r.UnreadByte()
			}
			l.number++
			return b.String(), nil
		case c == '\n':
			l.number++
			return b.String(), nil
		}
		b.WriteByte(c)
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\f' }

func trimLeft(s string) string { return strings.TrimLeft(s, " \t\f") }

func endsInContinuation(line string) bool {
	n := len(line) - len(strings.TrimRight(line, `\`))
	return n%2 == 1
}

// splitProperty cuts a logical line at the first separator that is not escaped.
func splitProperty(line string) (key, value string) {
	i := 0
	for i < len(line) && line[i] != '=' && line[i] != ':' && !isSpace(line[i]) {
		if line[i] == '\\' {
			i++
		}
		i++
	}
	i = min(i, len(line))
	key, value = line[:i], trimLeft(line[i:])
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = trimLeft(value[1:])
	}
	return key, value
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			if s[i] != '\\' {
				b.WriteByte(s[i])
			}
			continue
		}
		i++
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, used, err := unicodeEscape(s[i-1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			i += used - 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// unicodeEscape decodes the \uXXXX that s begins with, or two of them that are a surrogate pair. used counts bytes.
func unicodeEscape(s string) (r rune, used int, err error) {
	high, err := codeUnit(s)
	if err != nil || !utf16.IsSurrogate(high) {
		return high, 6, err
	}
	if strings.HasPrefix(s[6:], `\u`) {
		if low, err := codeUnit(s[6:]); err == nil {
			if r := utf16.DecodeRune(high, low); r != '\uFFFD' {
				return r, 12, nil
			}
		}
	}
	return '\uFFFD', 6, nil
}

func codeUnit(s string) (rune, error) {
	if len(s) < 6 {
		return 0, fmt.Errorf("malformed escape %q: \\u is followed by four hexadecimal digits", s)
	}
	v, err := strconv.ParseUint(s[2:6], 16, 16)
	if err != nil {
		return 0, fmt.Errorf("malformed escape %q: \\u is followed by four hexadecimal digits", s[:6])
	}
	return rune(v), nil
}
