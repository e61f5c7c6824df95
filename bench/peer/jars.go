package peer

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

//go:embed pom.xml
var pom []byte

// copyDependencies is the Maven goal that fills a folder with a project's jars.
const copyDependencies = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies"

// CacheDir is the folder under os.UserCacheDir where downloads live that several runs share.
func CacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("peer: no cache folder: %w", err)
	}
	return filepath.Join(base, "highwater"), nil
}

// Cached returns the folder CacheDir/name-HASH, HASH being of the pinned versions in content. When it does
// not exist yet, fill makes it: in a temporary sibling that is renamed at the end, so that a folder
// under its final name is whole and two processes may fill at once.
func Cached(name string, content []byte, fill func(dir string) error) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	final := filepath.Join(cache, name+"-"+hex.EncodeToString(sum[:4]))
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("peer: %w", err)
	}
	temporary, err := os.MkdirTemp(cache, name+".tmp-")
	if err != nil {
		return "", fmt.Errorf("peer: %w", err)
	}
	defer os.RemoveAll(temporary) //nolint:errcheck // what is left of a failed fill is under a name nobody reads
	if err := fill(temporary); err != nil {
		return "", fmt.Errorf("peer: filling %s: %w", final, err)
	}
	if err := os.Rename(temporary, final); err != nil {
		if _, statErr := os.Stat(final); statErr == nil {
			return final, nil // another process was quicker
		}
		return "", fmt.Errorf("peer: %w", err)
	}
	return final, nil
}

// Jars returns the folder that holds Apache Kafka's jars, filled by Maven at first use.
func Jars(ctx context.Context) (string, error) {
	return Cached("kafka-4.3.0", pom, func(dir string) error {
		project := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(project, pom, 0o644); err != nil {
			return err
		}
		_, err := output(exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", project, copyDependencies, "-DoutputDirectory="+dir))
		return err
	})
}

// KafkaAvailable says in one sentence what is missing to run Apache Kafka and its tools here, after having tried to get it.
func KafkaAvailable(ctx context.Context) error {
	if _, err := exec.LookPath("java"); err != nil {
		return errors.New("java is not in PATH (Debian: openjdk-17-jdk-headless)")
	}
	if _, err := Jars(ctx); errors.Is(err, exec.ErrNotFound) {
		return errors.New("mvn, which gets its jars, is not in PATH (Debian: maven)")
	} else if err != nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return fmt.Errorf("its jars could not be had from Maven: %s", line)
	}
	return nil
}

// Tool runs the main class of one of Apache Kafka's command line tools and returns what it wrote, standard output first and
// then standard error, where some tools put their findings. A failure's error holds the ends of both.
func Tool(ctx context.Context, class string, args ...string) ([]byte, error) {
	return ToolIn(ctx, []string{"-Xmx256m", "-XX:TieredStopAtLevel=1"}, class, args...)
}

// ToolIn is Tool with the flags of its JVM.
func ToolIn(ctx context.Context, jvm []string, class string, args ...string) ([]byte, error) {
	jars, err := Jars(ctx)
	if err != nil {
		return nil, err
	}
	java := slices.Concat(jvm, []string{quiet, "-cp", filepath.Join(jars, "*"), class}, args)
	stdout, stderr, err := outputs(exec.CommandContext(ctx, "java", java...))
	return append(stdout, stderr...), err
}

// output runs cmd and returns its standard output; the error of a failed command holds both outputs' ends.
func output(cmd *exec.Cmd) ([]byte, error) {
	stdout, _, err := outputs(cmd)
	return stdout, err
}

// outputs runs cmd and returns its standard output and standard error.
func outputs(cmd *exec.Cmd) (out, errs []byte, err error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), stderr.Bytes(), fmt.Errorf("peer: %s: %w\n%s%s", filepath.Base(cmd.Path), err, tail(stdout.Bytes()), tail(stderr.Bytes()))
	}
	return stdout.Bytes(), stderr.Bytes(), nil
}

// tail is the last 4 KiB of b.
func tail(b []byte) []byte {
	return b[max(0, len(b)-4096):]
}
