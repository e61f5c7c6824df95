package logmgr

import (
	"encoding/binary"
	"fmt"
	"path"

	"highwater.dev/broker/commitlog/checkpoint"
	"highwater.dev/broker/model"
	"highwater.dev/broker/vfs"
)

// identify reads the dirs' meta.properties, refuses what does not belong together, and formats the dirs that have none: at once in
// a new cluster, otherwise by FormatNew.
func (m *Manager) identify() error {
	node, dirs := model.NodeID(m.o.Config.NodeID), m.held()
	formatted := make([]bool, len(dirs))
	from := "" // the dir that m.clusterID comes from
	for i, d := range dirs {
		meta, err := checkpoint.ReadMeta(m.o.FS, d.path)
		if vfs.IsNotExist(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("logmgr: log dir %s: %w; restore the file, or move the folder away to start afresh", d.path, err)
		}
		file := path.Join(d.path, checkpoint.MetaProperties)
		switch {
		case meta.NodeID != node:
			return fmt.Errorf("logmgr: log dir %s belongs to node %d (%s), and this is node %d: "+
				"set node.id=%d, or give this node another log.dirs", d.path, meta.NodeID, file, node, meta.NodeID)
		case m.clusterID != "" && meta.ClusterID != "" && meta.ClusterID != m.clusterID:
			return fmt.Errorf("logmgr: log dir %s belongs to cluster %s (%s), but %s to cluster %s: "+
				"log.dirs must name folders of one cluster", d.path, meta.ClusterID, file, from, m.clusterID)
		}
		if meta.ClusterID != "" {
			m.clusterID, from = meta.ClusterID, d.path
		}
		d.id, formatted[i] = meta.DirectoryID, meta.ClusterID != "" && meta.DirectoryID != model.TopicID{}
	}
	existing := m.hasMetadata(m.metadata)
	if m.clusterID == "" && existing {
		return fmt.Errorf("logmgr: log dir %s has a metadata log and no %s, which says whose it is: restore the file, "+
			"or move the folder away to start afresh", m.metadata.path, checkpoint.MetaProperties)
	}
	if m.clusterID == "" {
		m.clusterID = m.newUUID().String()
	}
	for i, d := range dirs {
		if formatted[i] {
			continue
		}
		if d.id == (model.TopicID{}) {
			d.id = m.newUUID()
		}
		m.unformatted = append(m.unformatted, d)
	}
	if existing {
		return nil
	}
	return m.FormatNew(nil)
}

// FormatNew formats the dirs that are new in their cluster. missing are the partitions that should be here and are in no dir: then a new dir
// may be the mount point of a disk that is not there, and is refused, before the partitions begin anew in it. Call it after Load.
func (m *Manager) FormatNew(missing []model.TopicPartition) error {
	for _, d := range m.unformatted {
		if len(missing) > 0 {
			return fmt.Errorf("logmgr: log dir %s has no %s, and no log dir has %v (partitions missing: %d): mount its disk or restore the file; "+
				"if they are lost, start once without this dir, and they begin anew", d.path, checkpoint.MetaProperties, missing[0], len(missing))
		}
		meta := checkpoint.Meta{ClusterID: m.clusterID, NodeID: model.NodeID(m.o.Config.NodeID), DirectoryID: d.id}
		if err := checkpoint.WriteMeta(m.o.FS, d.path, meta); err != nil {
			return fmt.Errorf("logmgr: format log dir %s: %w", d.path, err)
		}
		m.logger.Info("formatted log dir", "dir", d.path, "clusterId", m.clusterID, "nodeId", meta.NodeID, "directoryId", d.id.String())
	}
	m.unformatted = nil
	return nil
}

// newUUID draws a random UUID (version 4) whose text does not begin with '-', as Kafka's do. Not safe for
// concurrent use.
func (m *Manager) newUUID() model.TopicID {
	for {
		var id model.TopicID
		binary.BigEndian.PutUint64(id[:8], m.rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], m.rand.Uint64())
		id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
		if id.String()[0] != '-' {
			return id
		}
	}
}
