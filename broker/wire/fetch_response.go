package wire

import (
	"slices"

	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// AbortedTxn is an aborted transaction in the stretch of log that a response carries (KIP-98).
type AbortedTxn struct {
	ProducerID  model.ProducerID
	FirstOffset model.Offset
}

// EpochEnd is where a fetching replica's log has to be cut: the end of the largest epoch that both share (KIP-595).
type EpochEnd struct {
	Epoch model.LeaderEpoch
	End   model.Offset
}

// NoEpochEnd is left out of a response.
var NoEpochEnd = EpochEnd{Epoch: model.NoLeaderEpoch, End: model.NoOffset}

// FetchPartitionResult is one partition's answer. NewFetchPartitionResult gives the values that mean "none".
type FetchPartitionResult struct {
	Index         int32
	ErrorCode     int16
	HighWatermark model.Offset
	LastStable    model.Offset
	LogStart      model.Offset // from version 5
	// Aborted is sent as null when nil (read_uncommitted) and as an empty list when empty (read_committed).
	Aborted []AbortedTxn
	// PreferredReadReplica is -1 for none (KIP-392, from version 11).
	PreferredReadReplica model.NodeID
	Diverging            EpochEnd // from version 12
	Leader               Leader   // from version 12
	// Region holds the records. The response owns it after Partition.
	Region vfs.Region
}

// NewFetchPartitionResult is the answer for partition index with everything absent.
func NewFetchPartitionResult(index int32) FetchPartitionResult {
	return FetchPartitionResult{
		Index: index, HighWatermark: model.NoOffset, LastStable: model.NoOffset, LogStart: model.NoOffset,
		PreferredReadReplica: model.NoNode, Diverging: NoEpochEnd, Leader: NoLeader,
	}
}

// FetchResponse writes a Fetch response piece by piece: Begin, then Topic and Partition in any number, then End.
// Nothing needs to be counted in advance, because a fetch session leaves partitions out. A count gets the one byte
// that it needs nearly always; a compact count of 127 or more moves what follows it up by a byte or two, when its
// topic ends.
//
// Partition takes the records as a file region, so Response.Buf and Regions interleave: the encoded bytes hold
// the records' length, then comes the region, then the partition's tagged fields.
type FetchResponse struct {
	resp       *Response
	version    int16
	flexible   bool
	name       string
	id         model.TopicID
	topics     int
	topicsAt   int // where the count of topics stands in Buf
	partitions int // of the topic that is being written; 0 when none is
	countAt    int // where its count of partitions stands
	total      int
	bytes      int64
}

// Begin starts the body, after BeginResponse. errorCode and sessionID are sent from version 7.
func (e *FetchResponse) Begin(resp *Response, version int16, throttleMs int32, errorCode int16, sessionID int32) {
	*e = FetchResponse{resp: resp, version: version, flexible: version >= 12}
	resp.Buf = AppendInt32(resp.Buf, throttleMs)
	if version >= 7 {
		resp.Buf = AppendInt16(resp.Buf, errorCode)
		resp.Buf = AppendInt32(resp.Buf, sessionID)
	}
	e.topicsAt = e.reserveCount()
}

// Topic says which topic the next partitions belong to; the same topic again goes on with it. A topic without
// partitions is not sent. name (before version 13) must stay as it is until Partition or End.
func (e *FetchResponse) Topic(name string, id model.TopicID) {
	if e.partitions > 0 && e.sameTopic(name, id) {
		return
	}
	e.endTopic()
	e.name, e.id = name, id
}

func (e *FetchResponse) sameTopic(name string, id model.TopicID) bool {
	if e.version >= firstIDVersion {
		return e.id == id
	}
	return e.name == name
}

// Partition adds a partition to the topic and takes over p.Region.
func (e *FetchResponse) Partition(p *FetchPartitionResult) {
	if e.partitions == 0 {
		e.resp.Buf = appendTopicName(e.resp.Buf, e.name, e.id, e.version >= firstIDVersion, e.flexible)
		e.countAt = e.reserveCount()
		e.topics++
	}
	e.partitions++
	e.total++
	b := AppendInt32(e.resp.Buf, p.Index)
	b = AppendInt16(b, p.ErrorCode)
	b = AppendInt64(b, int64(p.HighWatermark))
	b = AppendInt64(b, int64(p.LastStable))
	if e.version >= 5 {
		b = AppendInt64(b, int64(p.LogStart))
	}
	b = e.appendAborted(b, p.Aborted)
	if e.version >= 11 {
		b = AppendInt32(b, int32(p.PreferredReadReplica))
	}
	// Empty, not null: the Java client and Kafka's own broker send and expect empty records.
	e.resp.Buf = AppendArray(b, int(p.Region.Len), e.flexible)
	if p.Region.Len > 0 {
		e.resp.AppendRegion(p.Region)
		e.bytes += p.Region.Len
	} else {
		p.Region.Release()
	}
	if e.flexible {
		e.appendPartitionTags(p)
	}
}

func (e *FetchResponse) appendAborted(b []byte, aborted []AbortedTxn) []byte {
	n := len(aborted)
	if aborted == nil {
		n = -1
	}
	b = AppendArray(b, n, e.flexible)
	for i := range aborted {
		b = AppendInt64(b, int64(aborted[i].ProducerID))
		b = AppendInt64(b, int64(aborted[i].FirstOffset))
		if e.flexible {
			b = AppendNoTags(b)
		}
	}
	return b
}

// appendPartitionTags adds field 0, the diverging epoch, and field 1, the current leader, where there are any.
func (e *FetchResponse) appendPartitionTags(p *FetchPartitionResult) {
	var fields byte
	if p.Diverging != NoEpochEnd {
		fields++
	}
	if p.Leader != NoLeader {
		fields++
	}
	b := append(e.resp.Buf, fields)
	if p.Diverging != NoEpochEnd {
		b = append(b, 0, 13) // number, size
		b = AppendInt32(b, int32(p.Diverging.Epoch))
		b = AppendInt64(b, int64(p.Diverging.End))
		b = AppendNoTags(b)
	}
	if p.Leader != NoLeader {
		b = appendLeaderTag(b, 1, p.Leader)
	}
	e.resp.Buf = b
}

// End finishes the body. endpoints (from version 16) may be empty.
func (e *FetchResponse) End(endpoints []Endpoint) {
	e.endTopic()
	e.patchCount(e.topicsAt, e.topics)
	if e.flexible {
		if e.version < 16 {
			endpoints = nil
		}
		e.resp.Buf = appendEndpointsTag(e.resp.Buf, endpoints)
	}
}

// Partitions is how many partitions have been added.
func (e *FetchResponse) Partitions() int { return e.total }

// Bytes is how many bytes of records have been added.
func (e *FetchResponse) Bytes() int64 { return e.bytes }

func (e *FetchResponse) endTopic() {
	if e.partitions == 0 {
		return
	}
	e.patchCount(e.countAt, e.partitions)
	if e.flexible {
		e.resp.Buf = AppendNoTags(e.resp.Buf)
	}
	e.partitions = 0
}

// reserveCount leaves room for a count: four bytes, or one for a compact count below 127.
func (e *FetchResponse) reserveCount() (at int) {
	at = len(e.resp.Buf)
	e.resp.Buf = AppendArray(e.resp.Buf, 0, e.flexible)
	return at
}

// patchCount writes n into the room that reserveCount left, and makes more room where n needs it.
func (e *FetchResponse) patchCount(at, n int) {
	if !e.flexible {
		AppendInt32(e.resp.Buf[:at], int32(n))
		return
	}
	count := uint32(n + 1)
	if grow := UvarintSize(count) - 1; grow > 0 {
		var zero [4]byte
		e.resp.Buf = slices.Insert(e.resp.Buf, at+1, zero[:grow]...)
		for i := len(e.resp.Regions) - 1; i >= 0 && e.resp.Regions[i].After > at; i-- {
			e.resp.Regions[i].After += grow
		}
	}
	AppendUvarint(e.resp.Buf[:at], count)
}
