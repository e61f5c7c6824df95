package controller

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

const (
	maxTopicName = 249 // a folder's name, with room for -partition and a suffix
	// metadataTopic names the metadata log's folder: no topic may have it.
	metadataTopic = "__cluster_metadata"
)

// checkName applies Kafka's rules for topic names.
func checkName(name string) *apiError {
	reason := ""
	switch {
	case name == "":
		reason = "the empty string is not allowed"
	case name == ".", name == "..":
		reason = "'" + name + "' is not allowed"
	case len(name) > maxTopicName:
		reason = "the length of '" + name + "' is longer than the max allowed length 249"
	case strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) }):
		reason = "'" + name + "' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
	default:
		return nil
	}
	return refuse(kerr.InvalidTopicException, "Topic name is invalid: %s", reason)
}

func nameRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
}

// collisionForm is the form in which names that differ only in '.' and '_' are equal; ok is false for a name with
// neither, which cannot collide.
func collisionForm(name string) (form string, ok bool) {
	return strings.ReplaceAll(name, ".", "_"), strings.ContainsAny(name, "._")
}

func (m *Machine) rememberName(name string) {
	if form, ok := collisionForm(name); ok {
		names := m.colliding[form]
		i, _ := slices.BinarySearch(names, name)
		m.colliding[form] = slices.Insert(names, i, name)
	}
}

func (m *Machine) forgetName(name string) {
	form, ok := collisionForm(name)
	if !ok {
		return
	}
	names := slices.DeleteFunc(m.colliding[form], func(n string) bool { return n == name })
	m.colliding[form] = names
	if len(names) == 0 {
		delete(m.colliding, form)
	}
}

// checkNewName checks the name of a topic that is to be made, also against those that exist.
func (m *Machine) checkNewName(name string) *apiError {
	if name == metadataTopic {
		return refuse(kerr.InvalidRequest, "Creation of internal topic %s is prohibited.", name)
	}
	if err := checkName(name); err != nil {
		return err
	}
	if m.image.Topic(name) != nil {
		return refuse(kerr.TopicAlreadyExists, "Topic '%s' already exists.", name)
	}
	if form, ok := collisionForm(name); ok && len(m.colliding[form]) > 0 {
		return refuse(kerr.InvalidTopicException, "Topic '%s' collides with existing topic: %s", name, m.colliding[form][0])
	}
	return nil
}
