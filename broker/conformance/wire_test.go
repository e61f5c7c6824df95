package conformance

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// wireTimeout bounds every read and write of a raw connection.
const wireTimeout = 15 * time.Second

// wire is a raw connection: frames of our own making, bodies by kmsg or by hand.
type wire struct {
	t           *testing.T
	conn        net.Conn
	correlation int32
}

func dial(t *testing.T, addr string) *wire {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, wireTimeout)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() }) // the broker may have closed it
	return &wire{t: t, conn: conn}
}

// frame is a request's frame: length, header and body.
func (w *wire) frame(key, version int16, flexible bool, body []byte) []byte {
	w.correlation++
	b := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, uint32(w.correlation))
	b = append(binary.BigEndian.AppendUint16(b, 4), "wire"...)
	if flexible {
		b = append(b, 0) // no tagged fields
	}
	b = append(b, body...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// request is req's frame.
func (w *wire) request(req kmsg.Request) []byte {
	return w.frame(req.Key(), req.GetVersion(), req.IsFlexible(), req.AppendTo(nil))
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	require.NoError(w.t, w.conn.SetDeadline(time.Now().Add(wireTimeout)))
	_, err := w.conn.Write(b)
	require.NoError(w.t, err)
}

// read is the next response's frame, without its length.
func (w *wire) read() ([]byte, error) {
	if err := w.conn.SetDeadline(time.Now().Add(wireTimeout)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(w.conn, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(w.conn, frame)
	return frame, err
}

// answer reads the response to req, which was the last but ahead requests, and requires that it decodes to the last byte.
func (w *wire) answer(req kmsg.Request, ahead int32) kmsg.Response {
	w.t.Helper()
	frame, err := w.read()
	require.NoErrorf(w.t, err, "no answer to %s v%d", kmsg.NameForKey(req.Key()), req.GetVersion())
	require.GreaterOrEqual(w.t, len(frame), 4)
	require.Equal(w.t, w.correlation-ahead, int32(binary.BigEndian.Uint32(frame)), "correlation id")
	body := frame[4:]
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && req.Key() != kmsg.ApiVersions.Int16() { // ApiVersions' response header has no tagged fields (KIP-511)
		require.Equal(w.t, byte(0), body[0], "tagged fields of the header")
		body = body[1:]
	}
	require.NoErrorf(w.t, resp.ReadFrom(body), "%s v%d: % x", kmsg.NameForKey(req.Key()), req.GetVersion(), body)
	require.Equalf(w.t, body, resp.AppendTo(nil), "%s v%d: every byte of the answer is understood", kmsg.NameForKey(req.Key()), req.GetVersion())
	return resp
}

// ask sends req at version and returns the answer.
func ask[R kmsg.Response](w *wire, version int16, req kmsg.Request) R {
	w.t.Helper()
	req.SetVersion(version)
	w.write(w.request(req))
	return w.answer(req, 0).(R)
}

// requireClosed requires that the broker closes the connection without another answer.
func (w *wire) requireClosed(why string) {
	w.t.Helper()
	frame, err := w.read()
	require.Errorf(w.t, err, "%s: an answer instead of a closed connection: % x", why, frame)
	var timeout net.Error
	if errors.As(err, &timeout) {
		require.Falsef(w.t, timeout.Timeout(), "%s: the connection stays open without an answer", why)
	}
	require.Truef(w.t, errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET), "%s: %v", why, err)
}

// advertised are the version ranges of every API that the broker names.
func advertised(t *testing.T, addr string) map[int16][2]int16 {
	t.Helper()
	resp := ask[*kmsg.ApiVersionsResponse](dial(t, addr), 0, kmsg.NewPtrApiVersionsRequest())
	require.Zero(t, resp.ErrorCode)
	out := map[int16][2]int16{}
	for _, k := range resp.ApiKeys {
		out[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return out
}

// requireCode compares error codes by name.
func requireCode(t *testing.T, want *kerr.Error, got int16, what string) {
	t.Helper()
	code := int16(0)
	if want != nil {
		code = want.Code
	}
	require.Equalf(t, code, got, "%s: want %v, got %v", what, name(code), name(got))
}

func name(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return "NONE"
}

// topicID is a topic's id, by Metadata.
func topicID(t *testing.T, addr, topic string) [16]byte {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{{Topic: &topic}}
	resp := ask[*kmsg.MetadataResponse](dial(t, addr), 12, req)
	require.Len(t, resp.Topics, 1)
	require.Zero(t, resp.Topics[0].ErrorCode)
	return resp.Topics[0].TopicID
}

// offsetOf is what ListOffsets answers for partition 0 and a time (-1 the end, -2 the start).
func offsetOf(t *testing.T, addr, topic string, at int64) int64 {
	t.Helper()
	resp := listOffset(t, addr, 7, topic, 0, at, -1)
	requireCode(t, nil, resp.ErrorCode, "ListOffsets")
	return resp.Offset
}

func listOffset(t *testing.T, addr string, version int16, topic string, partition int32, at int64, epoch int32) kmsg.ListOffsetsResponseTopicPartition {
	t.Helper()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp, p.CurrentLeaderEpoch = partition, at, epoch
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.TimeoutMillis = 5000
	req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{p}}}
	resp := ask[*kmsg.ListOffsetsResponse](dial(t, addr), version, req)
	require.Len(t, resp.Topics, 1)
	require.Len(t, resp.Topics[0].Partitions, 1)
	return resp.Topics[0].Partitions[0]
}
