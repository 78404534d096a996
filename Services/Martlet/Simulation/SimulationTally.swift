// SPDX-License-Identifier: Apache-2.0

/// What has become of the messages so far.
struct SimulationTally: Sendable {
    var accepted = 0
    /// Of those, how many an earlier attempt had made durable already.
    var replayed = 0
    var retries = 0
    var readings = 0
    var refused: [String: Int] = [:]
    /// Cut off by Ctrl-C: whether they are stored is not known.
    var unknown = 0
    var latency = LatencyHistogram()
    /// Of what was accepted.
    var totals = NamedTotals()
    /// How late a message was sent, at most, because all connections were busy.
    var maximumLagMicroseconds = 0.0

    var refusedCount: Int { refused.values.reduce(0, +) }
    var finished: Int { accepted + refusedCount + unknown }
}
