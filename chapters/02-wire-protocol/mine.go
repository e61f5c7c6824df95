//go:build mine

package main

import (
	"io"

	"highwater.dev/broker/network"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
	"highwater.dev/broker/wire"
	impl "highwater.dev/exercises/02-wire-protocol"
)

func init() {
	implementations["mine"] = parts{
		newFrames:     func(src io.Reader, limit int) network.Frames { return impl.NewFrames(src, limit) },
		parseHeader:   impl.ParseHeader,
		beginResponse: impl.BeginResponse,
		newBroker: func(fs vfs.FS, dir string, open segment.Opener, partitions int) stage {
			return impl.New(impl.Options{OpenLog: open, FS: fs, Dir: dir, Partitions: partitions})
		},
		newServer: func(h wire.Handler, loop network.Dispatcher) acceptor { return &impl.Server{Handler: h, Loop: loop} },
		newTransfer: map[string]func() network.Transfer{
			"copy":     func() network.Transfer { return impl.Copy{} },
			"sendfile": func() network.Transfer { return impl.Sendfile{} },
		},
		newLoop: map[string]func(loopOptions) (network.Dispatcher, func()){
			"goroutines": func(o loopOptions) (network.Dispatcher, func()) {
				return impl.NewGoroutines(impl.LoopOptions(o)), func() {}
			},
			"reactor": func(o loopOptions) (network.Dispatcher, func()) {
				r := impl.NewReactor(impl.LoopOptions(o))
				return r, r.Close
			},
		},
	}
}
