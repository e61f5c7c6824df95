package controller

import (
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// The operations of IncrementalAlterConfigs (KIP-339).
const (
	opSet      = kmsg.IncrementalAlterConfigOpSet
	opDelete   = kmsg.IncrementalAlterConfigOpDelete
	opAppend   = kmsg.IncrementalAlterConfigOpAppend
	opSubtract = kmsg.IncrementalAlterConfigOpSubtract
)

// change is what one entry of a request does to one config.
type change struct {
	key   string
	op    kmsg.IncrementalAlterConfigOp
	value *string
}

// resource is what a request changes, in the form that both requests share.
type resource struct {
	typ     kmsg.ConfigResourceType
	name    string
	changes []change
	replace bool // AlterConfigs: configs that are not mentioned go back to their defaults
}

// incrementalAlterConfigs answers IncrementalAlterConfigs: each resource changes as a whole or not at all.
func (m *Machine) incrementalAlterConfigs(req *kmsg.IncrementalAlterConfigsRequest) ([]metadata.Record, kmsg.Response) {
	resources := make([]resource, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		resources[i] = resource{typ: r.ResourceType, name: r.ResourceName}
		for _, c := range r.Configs {
			resources[i].changes = append(resources[i].changes, change{c.Name, c.Op, c.Value})
		}
	}
	records, errs := m.alter(resources)
	resp := req.ResponseKind().(*kmsg.IncrementalAlterConfigsResponse)
	for i, err := range errs {
		result := kmsg.NewIncrementalAlterConfigsResponseResource()
		result.ResourceType, result.ResourceName = resources[i].typ, resources[i].name
		result.ErrorCode, result.ErrorMessage = err.code(), err.text()
		resp.Resources = append(resp.Resources, result)
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return records, resp
}

// alterConfigs answers AlterConfigs, the older form: a resource's configs become exactly those of the request.
func (m *Machine) alterConfigs(req *kmsg.AlterConfigsRequest) ([]metadata.Record, kmsg.Response) {
	resources := make([]resource, len(req.Resources))
	for i := range req.Resources {
		r := &req.Resources[i]
		resources[i] = resource{typ: r.ResourceType, name: r.ResourceName, replace: true}
		for _, c := range r.Configs {
			resources[i].changes = append(resources[i].changes, change{c.Name, opSet, c.Value})
		}
	}
	records, errs := m.alter(resources)
	resp := req.ResponseKind().(*kmsg.AlterConfigsResponse)
	for i, err := range errs {
		result := kmsg.NewAlterConfigsResponseResource()
		result.ResourceType, result.ResourceName = resources[i].typ, resources[i].name
		result.ErrorCode, result.ErrorMessage = err.code(), err.text()
		resp.Resources = append(resp.Resources, result)
	}
	if req.ValidateOnly {
		return nil, resp
	}
	return records, resp
}

// alter decides about every resource; errs has one entry for each.
func (m *Machine) alter(resources []resource) (records []metadata.Record, errs []*apiError) {
	type id struct {
		typ  kmsg.ConfigResourceType
		name string
	}
	seen := map[id]int{}
	for _, r := range resources {
		seen[id{r.typ, r.name}]++
	}
	for i := range resources {
		r := &resources[i]
		if seen[id{r.typ, r.name}] > 1 {
			errs = append(errs, refuse(kerr.InvalidRequest, "Each resource must appear at most once."))
			continue
		}
		made, err := m.alterResource(r)
		if err == nil && len(records)+len(made) > maxRecords {
			err = refuse(kerr.PolicyViolation, "Unable to perform excessively large batch operation.")
		}
		if err == nil {
			records = append(records, made...)
		}
		errs = append(errs, err)
	}
	return records, errs
}

func (m *Machine) alterResource(r *resource) ([]metadata.Record, *apiError) {
	if err := checkChanges(r.changes); err != nil {
		return nil, err
	}
	typ := metadata.ResourceType(r.typ)
	var defaults func(key string) (value string, list bool)
	var check func(next map[string]string) *apiError
	switch typ {
	case metadata.TopicResource:
		if r.name == "" {
			return nil, refuse(kerr.InvalidRequest, "Default topic resources are not allowed.")
		}
		if err := checkName(r.name); err != nil {
			return nil, err
		}
		defaults, check = topicDefault, m.checkTopicConfigs
	case metadata.BrokerResource:
		if err := m.checkBrokerName(r.name); err != nil {
			return nil, err
		}
		defaults = brokerDefault
		check = func(next map[string]string) *apiError { return m.checkBrokerConfigs(r, next) }
	default:
		return nil, refuse(kerr.InvalidRequest, "Unknown resource type %d", int8(r.typ))
	}
	now := m.image.Config(typ, r.name)
	next, err := applied(now, r, defaults)
	if err != nil {
		return nil, err
	}
	if err := check(next); err != nil {
		return nil, err
	}
	if typ == metadata.TopicResource && m.image.Topic(r.name) == nil {
		return nil, refuse(kerr.UnknownTopicOrPartition, "The topic '%s' does not exist.", r.name)
	}
	return difference(typ, r.name, now, next), nil
}

// checkChanges refuses what makes no sense whatever the configs are.
func checkChanges(changes []change) *apiError {
	seen := map[string]bool{}
	var nulls []string
	for _, c := range changes {
		if seen[c.key] {
			return refuse(kerr.InvalidRequest, "Error due to duplicate config keys")
		}
		seen[c.key] = true
		if c.op < opSet || c.op > opSubtract {
			return refuse(kerr.InvalidRequest, "Unknown operations type %d", int8(c.op))
		}
		if c.value == nil && c.op != opDelete {
			nulls = append(nulls, c.key)
		}
	}
	if len(nulls) > 0 {
		return refuse(kerr.InvalidRequest, "Null value not supported for : %s", strings.Join(nulls, ", "))
	}
	return nil
}

// applied is a resource's configs after the changes.
func applied(now map[string]string, r *resource, defaults func(string) (string, bool)) (map[string]string, *apiError) {
	next := make(map[string]string, len(now)+len(r.changes))
	if !r.replace {
		for k, v := range now {
			next[k] = v
		}
	}
	for _, c := range r.changes {
		switch c.op {
		case opSet:
			next[c.key] = *c.value
		case opDelete:
			delete(next, c.key)
		case opAppend, opSubtract:
			value, list := defaults(c.key)
			if !list {
				name := "APPEND"
				if c.op == opSubtract {
					name = "SUBTRACT"
				}
				return nil, refuse(kerr.InvalidConfig, "Can't %s to key %s because its type is not LIST.", name, c.key)
			}
			if set, ok := next[c.key]; ok {
				value = set
			}
			next[c.key] = combine(value, *c.value, c.op)
		}
	}
	return next, nil
}

// combine adds to or takes from a comma-separated list. Elements that are there already are not added again.
func combine(list, elements string, op kmsg.IncrementalAlterConfigOp) string {
	have := slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
	for _, e := range strings.Split(elements, ",") {
		i := slices.Index(have, e)
		switch {
		case op == opAppend && i < 0:
			have = append(have, e)
		case op == opSubtract && i >= 0:
			have = slices.Delete(have, i, i+1)
		}
	}
	return strings.Join(have, ",")
}

// difference makes the records that lead from now to next, in the order of the keys.
func difference(typ metadata.ResourceType, name string, now, next map[string]string) []metadata.Record {
	keys := sortedKeys(next)
	for k := range now {
		if _, ok := next[k]; !ok {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var records []metadata.Record
	for _, k := range keys {
		was, had := now[k]
		value, has := next[k]
		switch {
		case !has:
			records = append(records, metadata.ConfigRecord{Resource: typ, Name: name, Key: k})
		case !had || was != value:
			records = append(records, metadata.ConfigRecord{Resource: typ, Name: name, Key: k, Value: &value})
		}
	}
	return records
}

// checkBrokerName: "" is every broker's default, otherwise a registered broker's id.
func (m *Machine) checkBrokerName(name string) *apiError {
	if name == "" {
		return nil
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil {
		return refuse(kerr.InvalidRequest, "Node id must be an integer, but it is: %s", name)
	}
	if m.image.Broker(model.NodeID(id)) == nil {
		return refuse(kerr.InvalidRequest, "Unexpected broker id, expected %d, but received %s", m.o.Config.NodeID, name)
	}
	return nil
}
