package controller

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"highwater.dev/broker/metadata"
	"highwater.dev/broker/model"
)

// place chooses replicas for count partitions. Leaders go round the brokers from a random start; the followers of
// partitions with the same leader start one broker later each round, so that a lost broker's load spreads.
// Fenced brokers come last: they get replicas only when there are not enough others.
func (m *Machine) place(count int, replication int16) ([][]model.NodeID, *apiError) {
	brokers := m.image.Brokers()
	if int(replication) > len(brokers) {
		return nil, refuse(kerr.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): The target "+
			"replication factor of %d cannot be reached because only %d broker(s) are registered.",
			replication, replication, len(brokers))
	}
	var active, fenced []model.NodeID
	for _, b := range brokers {
		if b.Fenced {
			fenced = append(fenced, b.Node)
		} else {
			active = append(active, b.Node)
		}
	}
	if len(active) == 0 {
		return nil, refuse(kerr.InvalidReplicationFactor, "Unable to replicate the partition %d time(s): "+
			"All brokers are currently fenced.", replication)
	}
	start := m.o.Rand.IntN(len(active))
	placed := make([][]model.NodeID, count)
	for p := range placed {
		placed[p] = spread(active, fenced, start+p, p/len(active), int(replication))
	}
	return placed, nil
}

func spread(active, fenced []model.NodeID, leader, round, replication int) []model.NodeID {
	n := len(active)
	replicas := make([]model.NodeID, 0, replication)
	replicas = append(replicas, active[leader%n])
	for i := 0; len(replicas) < replication && i < n-1; i++ {
		replicas = append(replicas, active[(leader+1+(round+i)%(n-1))%n])
	}
	return append(replicas, fenced[:replication-len(replicas)]...)
}

// manual checks the replicas that a request names. want is the number of replicas each partition must have; 0: any.
func (m *Machine) manual(nodes []int32, want int, partition int32) ([]model.NodeID, *apiError) {
	if len(nodes) == 0 {
		return nil, refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list.")
	}
	sorted := slices.Sorted(slices.Values(nodes))
	for i, n := range sorted {
		if m.image.Broker(model.NodeID(n)) == nil {
			return nil, refuse(kerr.InvalidReplicaAssignment,
				"The manual partition assignment includes broker %d, but no such broker is registered.", n)
		}
		if i > 0 && sorted[i-1] == n {
			return nil, refuse(kerr.InvalidReplicaAssignment,
				"The manual partition assignment includes the broker %d more than once.", n)
		}
	}
	if want > 0 && len(nodes) != want {
		return nil, refuse(kerr.InvalidReplicaAssignment, "The manual partition assignment includes a partition with %d "+
			"replica(s), but this is not consistent with previous partitions, which have %d replica(s).", len(nodes), want)
	}
	replicas := make([]model.NodeID, len(nodes))
	for i, n := range nodes {
		replicas[i] = model.NodeID(n)
	}
	if len(m.isr(replicas)) == 0 {
		return nil, refuse(kerr.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for "+
			"partition %d are fenced or in controlled shutdown.", partition)
	}
	return replicas, nil
}

// isr is the in-sync set that new replicas start with: those that are not fenced.
func (m *Machine) isr(replicas []model.NodeID) []model.NodeID {
	var isr []model.NodeID
	for _, r := range replicas {
		if b := m.image.Broker(r); b != nil && !b.Fenced {
			isr = append(isr, r)
		}
	}
	return isr
}

func (m *Machine) partitionRecord(id model.TopicID, partition int32, replicas []model.NodeID) metadata.Record {
	isr := m.isr(replicas)
	return metadata.PartitionRecord{TopicID: id, Partition: partition, Replicas: replicas, ISR: isr, Leader: isr[0]}
}
