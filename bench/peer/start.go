package peer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// readyTimeout bounds a start, Apache Kafka's on a busy machine included.
const readyTimeout = 90 * time.Second

// Options say how a broker is started. The zero value but for Dir is complete.
type Options struct {
	Dir        string            // server.properties, server.log and data/ live here; made when missing, never removed
	Port       int               // of 127.0.0.1; 0: a free one
	Properties map[string]string // server properties, over the ones of this package
	JVM        []string          // Apache Kafka: flags of the JVM; nil: -Xmx512m and the quick compiler only
	Binary     string            // Highwater: the program to run
	Admin      bool              // Highwater: with an admin server, on a free port
}

// StartKafka starts one node of Apache Kafka, broker and controller in one process, and waits until it serves.
// A data folder that exists is used as it is; a new one is formatted first.
func StartKafka(ctx context.Context, o Options) (*Broker, error) {
	jars, err := Jars(ctx)
	if err != nil {
		return nil, err
	}
	data, port, err := prepare(o)
	if err != nil {
		return nil, err
	}
	controller, err := FreePort()
	if err != nil {
		return nil, err
	}
	quorum := net.JoinHostPort("127.0.0.1", strconv.Itoa(controller))
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	properties := map[string]string{
		"process.roles":                            "broker,controller",
		"node.id":                                  "1",
		"controller.quorum.voters":                 "1@" + quorum,
		"listeners":                                "PLAINTEXT://" + addr + ",CONTROLLER://" + quorum,
		"advertised.listeners":                     "PLAINTEXT://" + addr,
		"controller.listener.names":                "CONTROLLER",
		"listener.security.protocol.map":           "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs":                                 data,
		"offsets.topic.replication.factor":         "1",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"group.initial.rebalance.delay.ms":         "0",
	}
	maps.Copy(properties, o.Properties)
	file := filepath.Join(o.Dir, "server.properties")
	if err := writeProperties(file, properties); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(data, "meta.properties")); errors.Is(err, os.ErrNotExist) {
		if _, err := Tool(ctx, "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", file); err != nil {
			return nil, err
		}
	}
	jvm := o.JVM
	if jvm == nil {
		jvm = []string{"-Xmx512m", "-XX:TieredStopAtLevel=1"}
	}
	cmd := exec.Command("java", slices.Concat(jvm, []string{quiet, "-cp", filepath.Join(jars, "*"), "kafka.Kafka", file})...)
	return startAndWait(ctx, cmd, o, addr, data)
}

// quiet leaves warnings and errors in the logs of the JVM.
const quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"

// clusterID is the id that every node of Apache Kafka started here is formatted with: base64 of 16 bytes.
const clusterID = "SGlnaHdhdGVyLXBlZXItMQ"

// StartHighwater starts one node of Highwater and waits until it serves.
func StartHighwater(ctx context.Context, o Options) (*Broker, error) {
	data, port, err := prepare(o)
	if err != nil {
		return nil, err
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	properties := map[string]string{
		"node.id":                  "1",
		"listeners":                "PLAINTEXT://" + addr,
		"log.dirs":                 data,
		"highwater.admin.listener": "", // several nodes run on one machine
	}
	if o.Admin {
		admin, err := FreePort()
		if err != nil {
			return nil, err
		}
		properties["highwater.admin.listener"] = net.JoinHostPort("127.0.0.1", strconv.Itoa(admin))
	}
	maps.Copy(properties, o.Properties)
	args := []string{"serve"}
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		args = append(args, "--override", key+"="+properties[key])
	}
	b, err := startAndWait(ctx, exec.Command(o.Binary, args...), o, addr, data)
	if err == nil {
		b.Admin = properties["highwater.admin.listener"]
	}
	return b, err
}

// StartProgram starts a server that is no Kafka broker: program with args and then its data folder, below dir. It prints the address
// that it serves as its first line.
func StartProgram(ctx context.Context, program string, args []string, dir string) (*Broker, error) {
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, fmt.Errorf("peer: %w", err)
	}
	logFile := filepath.Join(dir, "server.log")
	if err := os.RemoveAll(logFile); err != nil { // the first line is this start's
		return nil, fmt.Errorf("peer: %w", err)
	}
	begun := time.Now()
	b, err := launch(exec.Command(program, append(slices.Clone(args), data)...), logFile)
	if err != nil {
		return nil, err
	}
	b.DataDir, b.Program = data, program
	err = b.await(ctx, "printed its address", func() bool {
		line, _, whole := strings.Cut(b.Log(), "\n")
		b.Addr = line
		return whole
	})
	if err != nil {
		return nil, err
	}
	b.Ready = time.Since(begun)
	return b, nil
}

// BuildHighwater compiles the highwater command into dir and returns the program's path.
func BuildHighwater(ctx context.Context, dir string) (string, error) { return build(ctx, dir, ".") }

// BuildNats compiles bench/nats, a module of its own, into dir and returns the program's path.
func BuildNats(ctx context.Context, dir string) (string, error) { return build(ctx, dir, "bench/nats") }

// build compiles the main package in the folder pkg of highwater.dev.
func build(ctx context.Context, dir, pkg string) (string, error) {
	root, err := output(exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "highwater.dev"))
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "highwater")
	if pkg != "." {
		program = filepath.Join(dir, filepath.Base(pkg))
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", program, ".")
	build.Dir = filepath.Join(strings.TrimSpace(string(root)), pkg)
	if _, err := output(build); err != nil {
		return "", err
	}
	return program, nil
}

// prepare makes the folders and picks the port.
func prepare(o Options) (data string, port int, err error) {
	data = filepath.Join(o.Dir, "data")
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return "", 0, fmt.Errorf("peer: %w", err)
	}
	if o.Port != 0 {
		return data, o.Port, nil
	}
	port, err = FreePort()
	return data, port, err
}

// writeProperties writes a Java properties file, its keys in order.
func writeProperties(file string, properties map[string]string) error {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		fmt.Fprintf(&b, "%s=%s\n", key, properties[key])
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("peer: %w", err)
	}
	return nil
}

// startAndWait starts cmd and waits until the broker answers a Metadata request.
func startAndWait(ctx context.Context, cmd *exec.Cmd, o Options, addr, data string) (*Broker, error) {
	begun := time.Now()
	b, err := launch(cmd, filepath.Join(o.Dir, "server.log"))
	if err != nil {
		return nil, err
	}
	b.Addr, b.DataDir, b.Program = addr, data, cmd.Path
	if err := b.await(ctx, "served "+addr, func() bool { return answersMetadata(addr) }); err != nil {
		return nil, err
	}
	b.Ready = time.Since(begun)
	return b, nil
}

// await returns when ready says so. A process that ends or is not ready in time is gone when this returns an error, which holds the
// end of its log.
func (b *Broker) await(ctx context.Context, what string, ready func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for !ready() {
		select {
		case <-b.done:
			return fmt.Errorf("peer: the broker ended while starting:\n%s", b.Log())
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("peer: the broker has not %s: %w:\n%s", what, ctx.Err(), b.Log()), b.Kill())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// answersMetadata asks addr for the cluster's brokers and reports whether at least one is listed.
func answersMetadata(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close() //nolint:errcheck // a probe
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	// Header v1: key 3 (Metadata), version 1, correlation id 1, null client id. Body: an empty array, no topics.
	request := []byte{0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0}
	if _, err := conn.Write(request); err != nil {
		return false
	}
	var head [12]byte // size, correlation id, number of brokers
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return false
	}
	return binary.BigEndian.Uint32(head[8:]) > 0
}
