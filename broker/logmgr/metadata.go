package logmgr

import (
	"fmt"
	"path"
	"slices"

	"highwater.dev/broker/commitlog/checkpoint"
)

// lockMetadata chooses the dir of the metadata log, and locks it when it is none of log.dirs.
func (m *Manager) lockMetadata() error {
	m.metadata = m.dirs[0]
	dir := m.o.Config.MetadataLogDir
	if dir == "" {
		return nil
	}
	if i := slices.IndexFunc(m.dirs, func(d *LogDir) bool { return path.Clean(d.path) == path.Clean(dir) }); i >= 0 {
		m.metadata = m.dirs[i]
		return nil
	}
	d, err := m.lockDir(dir)
	if err == nil {
		m.metadata = d
	}
	return err
}

// held are the dirs that this manager has locked.
func (m *Manager) held() []*LogDir {
	if m.metadata == nil || slices.Contains(m.dirs, m.metadata) {
		return m.dirs
	}
	return append(slices.Clone(m.dirs), m.metadata)
}

// findMetadata refuses a metadata log in another of the dirs than the one for it: without its records every partition that
// they describe would be a stray. It also refuses Apache Kafka's, before anything is written beside it.
func (m *Manager) findMetadata() error {
	for _, d := range m.held() {
		if !m.hasMetadata(d) {
			continue
		}
		folder := path.Join(d.path, metadataLog)
		// Kafka gives its metadata log a topic id; ours has none.
		if _, err := m.o.FS.Stat(path.Join(folder, checkpoint.PartitionMetadata)); err == nil {
			return fmt.Errorf("logmgr: log dir %s is Apache Kafka's, and Highwater does not read Kafka's metadata log (%s): "+
				"give this node another log.dirs", d.path, folder)
		}
		switch {
		case d == m.metadata:
		case m.hasMetadata(m.metadata):
			return fmt.Errorf("logmgr: there are two metadata logs, %s and %s: move the one away whose topics are not wanted; "+
				"metadata.log.dir (or else the first of log.dirs) names the other's folder", path.Join(m.metadata.path, metadataLog), folder)
		default:
			return fmt.Errorf("logmgr: the metadata log is %s, and metadata.log.dir (or else the first of log.dirs) is %s: "+
				"move the folder there, or set metadata.log.dir=%s", folder, m.metadata.path, d.path)
		}
	}
	return nil
}

// RequireMetadata refuses to go on where there are partitions and no metadata log, since a new one would make every partition a stray. Call
// it before the metadata log is opened, which makes it.
func (m *Manager) RequireMetadata() error {
	if m.hasMetadata(m.metadata) {
		return nil
	}
	for _, d := range m.dirs {
		names, err := m.o.FS.List(d.path)
		if err != nil {
			return fmt.Errorf("logmgr: list log dir %s: %w", d.path, err)
		}
		for _, name := range names {
			if _, ok := parseFolder(name); ok {
				return fmt.Errorf("logmgr: there are partitions, %s for one, and no log dir has the metadata log %s that describes them: "+
					"set metadata.log.dir to the folder it is in, or move the partitions away to start afresh", path.Join(d.path, name), metadataLog)
			}
		}
	}
	return nil
}

func (m *Manager) hasMetadata(d *LogDir) bool {
	info, err := m.o.FS.Stat(path.Join(d.path, metadataLog))
	return err == nil && info.Dir
}
