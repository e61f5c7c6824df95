package broker

import (
	"highwater.dev/broker/epoch"
	"highwater.dev/broker/network"
	"highwater.dev/broker/producer"
	"highwater.dev/broker/segment"
	"highwater.dev/broker/vfs"
)

// Components holds one factory per seam: what a reader of the workbook writes runs in the real broker by being named here. nil
// means the broker's own.
type Components struct {
	// OpenLog opens a partition's log (chapter 01).
	OpenLog segment.Opener
	// OpenEpochs opens a partition's leader epoch cache, kept in the file path.
	OpenEpochs func(fs vfs.FS, path string) (epoch.Cache, error)
	// NewTable makes a partition's table of producers.
	NewTable func() producer.Table
	// NewTransfer makes what sends regions of files to sockets, one for the broker.
	NewTransfer func() network.Transfer
	// NewDispatcher makes what answers the requests of connections, one for the broker (chapter 02). It goes by Config.Server's
	// socket.request.max.bytes and sends with its own Transfer.
	NewDispatcher func() network.Dispatcher
}
