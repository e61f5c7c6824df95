package network

import (
	"context"
	"fmt"
	"math"
	"net"
	"net/netip"
	"time"

	"highwater.dev/broker/config"
)

// Config holds what the network layer takes from the broker's configuration, under Kafka's names.
// (socket.listen.backlog.size is not among them: Go listens with net.core.somaxconn, which is more.)
type Config struct {
	Listeners []Listener

	MaxRequestBytes     int                // socket.request.max.bytes; 0: 100 MiB
	SendBufferBytes     int                // socket.send.buffer.bytes; below 1: the operating system's choice
	ReceiveBufferBytes  int                // socket.receive.buffer.bytes; below 1: the operating system's choice
	MaxIdle             time.Duration      // connections.max.idle.ms; below 1: connections never expire
	MaxConnections      int                // max.connections; below 1: no limit
	MaxConnectionsPerIP int                // max.connections.per.ip; 0: no limit; below 0: none but ByIP's (Kafka's 0)
	ByIP                map[netip.Addr]int // max.connections.per.ip.overrides
}

// Listener is an address to listen on.
type Listener struct {
	Name string // as in listeners=NAME://host:port
	Host string // empty: all interfaces
	Port int    // 0: any free port (Addr tells which)
}

// DefaultMaxRequestBytes is Kafka's socket.request.max.bytes.
const DefaultMaxRequestBytes = 100 << 20

// ConfigFrom takes the network's part of s. It resolves the host names in max.connections.per.ip.overrides.
func ConfigFrom(ctx context.Context, s *config.Server) (Config, error) {
	c := Config{
		MaxRequestBytes:     s.SocketRequestMaxBytes,
		SendBufferBytes:     s.SocketSendBufferBytes,
		ReceiveBufferBytes:  s.SocketReceiveBufferBytes,
		MaxConnections:      s.MaxConnections,
		MaxConnectionsPerIP: s.MaxConnectionsPerIP,
	}
	if c.MaxConnectionsPerIP == 0 {
		c.MaxConnectionsPerIP = -1
	}
	if ms := s.ConnectionsMaxIdleMs; ms < math.MaxInt64/int64(time.Millisecond) {
		c.MaxIdle = time.Duration(ms) * time.Millisecond
	}
	for _, l := range s.Listeners {
		c.Listeners = append(c.Listeners, Listener{Name: l.Name, Host: l.Host, Port: l.Port})
	}
	for host, limit := range s.MaxConnectionsPerIPOverrides {
		addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			return Config{}, fmt.Errorf("network: max.connections.per.ip.overrides: %w", err)
		}
		if c.ByIP == nil {
			c.ByIP = map[netip.Addr]int{}
		}
		for _, addr := range addrs {
			c.ByIP[addr.Unmap()] = limit
		}
	}
	return c, nil
}

func (c Config) withDefaults() Config {
	if c.MaxRequestBytes <= 0 {
		c.MaxRequestBytes = DefaultMaxRequestBytes
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = math.MaxInt
	}
	switch {
	case c.MaxConnectionsPerIP == 0:
		c.MaxConnectionsPerIP = math.MaxInt
	case c.MaxConnectionsPerIP < 0:
		c.MaxConnectionsPerIP = 0
	}
	return c
}
