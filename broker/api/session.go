package api

import (
	"errors"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/wire"
)

// session is one connection's side of the API. What Produce and Fetch need is kept between requests.
type session struct {
	api  *API
	peer wire.Peer

	cancel    sync.Once
	cancelled chan struct{}

	p produceState
	f fetchState
}

// Serve implements wire.Session.
func (s *session) Serve(req *wire.Request, resp *wire.Response) error {
	return s.api.table.serve(s, req, resp)
}

// Cancel implements wire.Session.
func (s *session) Cancel() { s.cancel.Do(func() { close(s.cancelled) }) }

// Close implements wire.Session.
func (s *session) Close() { s.f.close() }

// codeOf finds the Kafka error in err; UNKNOWN_SERVER_ERROR when there is none.
func codeOf(err error) int16 {
	if err == nil {
		return 0
	}
	var k *kerr.Error
	if errors.As(err, &k) {
		return k.Code
	}
	return kerr.UnknownServerError.Code
}

// failure splits err into the code and message of an answer. An error without a Kafka code is the broker's own and is
// logged: the client learns no more than UNKNOWN_SERVER_ERROR.
func (s *session) failure(doing string, err error) (code int16, message *string) {
	var k *kerr.Error
	if errors.As(err, &k) {
		// The code says what the error is called; what was wrapped around it says what is the matter.
		text := strings.TrimPrefix(err.Error(), k.Error()+": ")
		if text == k.Error() {
			text = k.Description
		}
		return k.Code, &text
	}
	s.api.Logger.Error("request failed", "doing", doing, "peer", s.peer.Remote.String(), "error", err)
	return kerr.UnknownServerError.Code, &kerr.UnknownServerError.Description
}
