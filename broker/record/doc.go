// Package record is the codec of Kafka's record batch, format version (magic) 2, and of the records in it.
//
//	0        8      12     16 17    21  23     27            35
//	+--------+------+------+--+-----+---+------+-------------+-------------+
//	| base   | len  |leader|2 | CRC |att|last  | base        | max         |
//	| offset |      |epoch |  | 32C |r. |offset| timestamp   | timestamp   |
//	+--------+------+------+--+-----+---+delta-+-------------+-------------+
//	35->43        51    53       57      61
//	+-------------+-----+--------+-------+----------------------------------+
//	| producer id |p.   | base   | count | records, compressed as one block |
//	|             |epoch|sequence|       |                                  |
//	+-------------+-----+--------+-------+----------------------------------+
//
// All integers are big-endian. len counts what follows it. The CRC covers everything from the attributes
// on: base offset and leader epoch can be assigned without touching it.
package record
