package wire

// The keys of the APIs that are served.
const (
	Produce                 int16 = 0
	Fetch                   int16 = 1
	ListOffsets             int16 = 2
	Metadata                int16 = 3
	ApiVersions             int16 = 18 //nolint:revive // Kafka's name
	CreateTopics            int16 = 19
	DeleteTopics            int16 = 20
	DeleteRecords           int16 = 21
	InitProducerId          int16 = 22 //nolint:revive // Kafka's name
	OffsetForLeaderEpoch    int16 = 23
	DescribeConfigs         int16 = 32
	AlterConfigs            int16 = 33
	DescribeLogDirs         int16 = 35
	CreatePartitions        int16 = 37
	IncrementalAlterConfigs int16 = 44
	DescribeCluster         int16 = 60
)

// VersionRange is one row of the version table.
type VersionRange struct {
	Key      int16
	Min, Max int16 // versions that are served
	// AdvertisedMin is Min, but 0 for Produce: librdkafka takes a greater minimum for a broker without compression
	// (KAFKA-18659).
	AdvertisedMin int16
	// Flexible is the first version with compact types and tagged fields, and with request header v2 (KIP-482).
	Flexible int16
	Name     string
}

// versions is the one place that says which APIs exist. It is ordered by key, and is what Apache Kafka 4.3 calls
// stable, never what kmsg could encode.
var versions = [...]VersionRange{
	{Produce, 3, 13, 0, 9, "Produce"},
	{Fetch, 4, 18, 4, 12, "Fetch"},
	{ListOffsets, 1, 11, 1, 6, "ListOffsets"},
	{Metadata, 0, 13, 0, 9, "Metadata"},
	{ApiVersions, 0, 4, 0, 3, "ApiVersions"},
	{CreateTopics, 2, 7, 2, 5, "CreateTopics"},
	{DeleteTopics, 1, 6, 1, 4, "DeleteTopics"},
	{DeleteRecords, 0, 2, 0, 2, "DeleteRecords"},
	{InitProducerId, 0, 5, 0, 2, "InitProducerId"},
	{OffsetForLeaderEpoch, 2, 4, 2, 4, "OffsetForLeaderEpoch"},
	{DescribeConfigs, 1, 4, 1, 4, "DescribeConfigs"},
	{AlterConfigs, 0, 2, 0, 2, "AlterConfigs"},
	{DescribeLogDirs, 1, 5, 1, 2, "DescribeLogDirs"},
	{CreatePartitions, 0, 3, 0, 2, "CreatePartitions"},
	{IncrementalAlterConfigs, 0, 1, 0, 1, "IncrementalAlterConfigs"},
	{DescribeCluster, 0, 2, 0, 0, "DescribeCluster"},
}

const maxKey = DescribeCluster

// rowOf is a key's row in versions plus one; 0 means not served.
var rowOf = func() (rows [maxKey + 1]int8) {
	for i, v := range versions {
		rows[v.Key] = int8(i + 1)
	}
	return rows
}()

func rangeOf(key int16) *VersionRange {
	if key < 0 || key > maxKey || rowOf[key] == 0 {
		return nil
	}
	return &versions[rowOf[key]-1]
}

// Supported returns the versions at which key is served; ok is false when it is not served at all.
func Supported(key int16) (minVersion, maxVersion int16, ok bool) {
	v := rangeOf(key)
	if v == nil {
		return 0, 0, false
	}
	return v.Min, v.Max, true
}

// Serves reports whether key is served at version.
func Serves(key, version int16) bool {
	v := rangeOf(key)
	return v != nil && version >= v.Min && version <= v.Max
}

// Advertised returns the rows that ApiVersions lists, ordered by key, to be read only.
func Advertised() []VersionRange { return versions[:] }

// Flexible reports whether key at version has compact types and tagged fields.
func Flexible(key, version int16) bool {
	v := rangeOf(key)
	return v != nil && version >= v.Flexible
}

// Name is key's name in Kafka's documentation, or "unknown".
func Name(key int16) string {
	if v := rangeOf(key); v != nil {
		return v.Name
	}
	return "unknown"
}
