package api

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"

	"highwater.dev/broker/wire"
)

// row is one API. Exactly one of data and call is set.
type row struct {
	key int16
	// data handles the two APIs that carry records, without kmsg.
	data func(*session, *wire.Request, *wire.Response) error
	// call answers a decoded request. A nil response closes the connection.
	call func(*session, kmsg.Request) kmsg.Response
}

// table is indexed by API key.
type table []row

// newTable is the one place that registers an API. Its versions are in package wire's table.
func newTable() table {
	rows := []row{
		{key: wire.Produce, data: (*session).produce},
		{key: wire.Fetch, data: (*session).fetch},
		{key: wire.ListOffsets, call: on((*session).listOffsets)},
		{key: wire.Metadata, call: on((*session).metadata)},
		{key: wire.ApiVersions, data: (*session).apiVersions},
		{key: wire.CreateTopics, call: on((*session).createTopics)},
		{key: wire.DeleteTopics, call: on((*session).deleteTopics)},
		{key: wire.DeleteRecords, call: on((*session).deleteRecords)},
		{key: wire.InitProducerId, call: on((*session).initProducerID)},
		{key: wire.OffsetForLeaderEpoch, call: on((*session).offsetForLeaderEpoch)},
		{key: wire.DescribeConfigs, call: on((*session).describeConfigs)},
		{key: wire.AlterConfigs, call: on((*session).alterConfigs)},
		{key: wire.DescribeLogDirs, call: on((*session).describeLogDirs)},
		{key: wire.CreatePartitions, call: on((*session).createPartitions)},
		{key: wire.IncrementalAlterConfigs, call: on((*session).incrementalAlterConfigs)},
		{key: wire.DescribeCluster, call: on((*session).describeCluster)},
	}
	var t table
	for _, r := range rows {
		for len(t) <= int(r.key) {
			t = append(t, row{key: -1})
		}
		t[r.key] = r
	}
	return t
}

// on gives a handler of one request type the table's shape.
func on[Q kmsg.Request, A kmsg.Response](handle func(*session, Q) A) func(*session, kmsg.Request) kmsg.Response {
	return func(s *session, req kmsg.Request) kmsg.Response { return handle(s, req.(Q)) }
}

// serve answers req. Errors close the connection.
func (t table) serve(s *session, req *wire.Request, resp *wire.Response) error {
	key := req.Header.Key
	if key < 0 || int(key) >= len(t) || t[key].key != key {
		return fmt.Errorf("%w: key %d", wire.ErrUnknownKey, key)
	}
	if key != wire.ApiVersions && !wire.Serves(key, req.Header.Version) {
		return fmt.Errorf("%w: %s version %d", wire.ErrUnsupportedVersion, wire.Name(key), req.Header.Version)
	}
	s.api.counters.requests[key].Inc()
	start := s.api.Clock.Now()
	defer func() { s.api.counters.seconds[key].Observe(s.api.Clock.Now().Sub(start).Microseconds()) }()
	if t[key].data != nil {
		return t[key].data(s, req, resp)
	}
	decoded, err := wire.DecodeKmsg(&req.Header, req.Body)
	if err != nil {
		return err
	}
	wire.EncodeKmsg(resp, &req.Header, t[key].call(s, decoded))
	return nil
}
