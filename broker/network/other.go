//go:build !linux

package network

// NewSendfile returns a Copy: only Linux's sendfile is used.
func NewSendfile() Transfer { return NewCopy() }

// sendState has nothing to keep where WriteMore is Write.
type sendState struct{}

func (*sendState) bind() {}

// WriteMore writes p.
func (l *link) WriteMore(p []byte) error {
	_, err := l.Write(p)
	return err
}

// lowWater has nothing to keep where Reads wake for every byte.
type lowWater struct{}

func (*lowWater) bind() {}

func (*link) await(int) {}

func (*link) arrivedUnseen() bool { return false }
