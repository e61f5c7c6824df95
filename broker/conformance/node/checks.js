// KafkaJS: producing and admin; it consumes in groups only. Arguments: bootstrap address, prefix of topic names, records file.
// Prints one JSON line for each named check; a topic named there holds the records of the file, for another client to read.
'use strict'

const assert = require('node:assert/strict')
const { readFileSync } = require('node:fs')
const { setTimeout: sleep } = require('node:timers/promises')
const { Kafka, CompressionTypes, CompressionCodecs, ConfigResourceTypes, logLevel } = require('kafkajs')

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')

const [bootstrap, prefix, recordsFile] = process.argv.slice(2)
const raw = (value) => (value === null ? null : Buffer.from(value, 'base64'))

// KafkaJS takes headers as an object, an array where a key comes twice.
const headersOf = (list) => {
  const headers = {}
  for (const { key, value } of list) {
    if (key in headers) headers[key] = [].concat(headers[key], raw(value))
    else headers[key] = raw(value)
  }
  return headers
}
const messages = JSON.parse(readFileSync(recordsFile, 'utf8')).map((r) => ({
  key: raw(r.key), value: raw(r.value), headers: headersOf(r.headers), timestamp: String(r.timestamp), partition: 0,
}))

const kafka = new Kafka({
  clientId: 'conformance', brokers: [bootstrap], logLevel: logLevel.NOTHING, requestTimeout: 20000,
  retry: { retries: 4, initialRetryTime: 50 },
})
const admin = kafka.admin()

async function run(name, check, topic) {
  const line = { name, ok: true, detail: '' }
  try {
    await check()
    if (topic) line.topic = topic
  } catch (e) {
    line.ok = false
    line.detail = e.stack
  }
  console.log(JSON.stringify(line))
}

async function eventually(what, condition) {
  for (const end = Date.now() + 15000; Date.now() < end; await sleep(20)) {
    if (await condition()) return
  }
  assert.fail(`not within 15 s: ${what}`)
}

async function create(name, options = {}) {
  const topic = `${prefix}-${name}`
  assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 1, replicationFactor: 1, ...options }] }), true)
  await eventually(`${topic} has leaders`, () => admin.fetchTopicOffsets(topic).then(() => true, () => false))
  return topic
}

async function produce(topic, records, send = {}, options = {}) {
  const producer = kafka.producer(options)
  await producer.connect()
  try {
    return await producer.send({ topic, messages: records, timeout: 20000, ...send })
  } finally {
    await producer.disconnect()
  }
}

async function roundTrip(name, send, options) {
  const topic = await create(name)
  await produce(topic, messages, send, options)
  await eventually('the end offset', async () => (await admin.fetchTopicOffsets(topic))[0].high === String(messages.length))
}

const refused = (type) => (e) => {
  const errors = [e, e.cause, ...(e.errors || [])].filter(Boolean)
  assert(errors.some((x) => x.type === type), `want ${type}, got ${errors.map((x) => x.type || x.message)}`)
  return true
}

const checks = {
  'offsets': async () => {
    const topic = await create('offsets')
    const base = 1700000000000
    const records = messages.slice(0, 20).map((m, i) => ({ ...m, timestamp: String(base + 10 * i) }))
    const [first] = await produce(topic, records)
    assert.equal(first.errorCode, 0)
    assert.equal(first.baseOffset, '0')
    assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '20', high: '20', low: '0' }])
    assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, base + 55), [{ partition: 0, offset: '6' }])
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '7' }] })
    assert.equal((await admin.fetchTopicOffsets(topic))[0].low, '7')
  },
  'too large': async () => {
    const topic = await create('too-large', { configEntries: [{ name: 'max.message.bytes', value: '5000' }] })
    await assert.rejects(produce(topic, [{ value: Buffer.alloc(6000), partition: 0 }]), refused('MESSAGE_TOO_LARGE'))
  },
  'unknown topic': async () => {
    await assert.rejects(admin.fetchTopicMetadata({ topics: [`${prefix}-missing`] }), refused('UNKNOWN_TOPIC_OR_PARTITION'))
  },
  'configs': async () => {
    const topic = await create('configs', { configEntries: [{ name: 'retention.ms', value: '123456' }] })
    const value = async (name) => {
      const found = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: [name] }] })
      return found.resources[0].configEntries[0].configValue
    }
    assert.equal(await value('retention.ms'), '123456')
    await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'segment.ms', value: '60000' }] }] })
    await eventually('the altered value', async () => (await value('segment.ms')) === '60000')
    assert.equal(await value('retention.ms'), '604800000')
    const bad = { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'segment.ms', value: 'soon' }] }
    await assert.rejects(admin.alterConfigs({ resources: [bad] }), refused('INVALID_CONFIG'))
  },
  'admin topics': async () => {
    const topic = await create('admin', { numPartitions: 2 })
    assert.equal(await admin.createTopics({ topics: [{ topic, numPartitions: 2, replicationFactor: 1 }] }), false, 'it exists')
    await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
    await eventually('four partitions', async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 4)
    const cluster = await admin.describeCluster()
    assert.equal(cluster.brokers.length, 1)
    assert.equal(cluster.clusterId.length, 22)
    assert((await admin.listTopics()).includes(topic))
    await admin.deleteTopics({ topics: [topic] })
    await assert.rejects(admin.deleteTopics({ topics: [topic] }), refused('UNKNOWN_TOPIC_OR_PARTITION'))
  },
}

async function main() {
  await admin.connect()
  const codecs = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, snappy: CompressionTypes.Snappy }
  for (const [name, compression] of Object.entries(codecs)) {
    await run(`produce ${name}`, () => roundTrip(name, { compression }), `${prefix}-${name}`)
  }
  for (const acks of [0, 1, -1]) {
    await run(`acks ${acks}`, () => roundTrip(`acks${acks}`, { acks }), `${prefix}-acks${acks}`)
  }
  await run('idempotent', () => roundTrip('idempotent', {}, { idempotent: true, maxInFlightRequests: 1 }), `${prefix}-idempotent`)
  for (const [name, check] of Object.entries(checks)) await run(name, check)
  await admin.disconnect()
}

main()
