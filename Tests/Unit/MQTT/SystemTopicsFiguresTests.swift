// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import MQTTAdapter

/// The figures of `$SYS/broker/…`, as they follow from what was counted.
@Suite struct SystemTopicsFiguresTests {
    private let load = "$SYS/broker/load/publish/received/"

    private func value(_ topics: SystemTopics, _ topic: String) throws -> Double {
        try #require(topics.values[topic].flatMap { Double($0) })
    }

    @Test func onlyWhatChangedIsNamed() {
        var topics = SystemTopics()
        var reading = SystemTopics.Reading()
        let all = topics.update(reading, seconds: 10)
        #expect(Set(all) == Set(topics.values.keys) && all == all.sorted())
        #expect(topics.update(reading, seconds: 10).isEmpty)
        reading.connected = 3
        reading.kept = 2
        #expect(
            topics.update(reading, seconds: 10) == [
                "$SYS/broker/clients/connected", "$SYS/broker/clients/disconnected", "$SYS/broker/clients/maximum",
                "$SYS/broker/clients/total",
            ])
        #expect(topics.values["$SYS/broker/clients/total"] == "5")
        reading.connected = 1
        _ = topics.update(reading, seconds: 10)
        #expect(topics.values["$SYS/broker/clients/maximum"] == "3")
    }

    @Test func everyTopicCanBeSubscribedTo() throws {
        var topics = SystemTopics()
        _ = topics.update(SystemTopics.Reading(), seconds: 1)
        for topic in topics.values.keys {
            #expect(try TopicFilter(topic).matches(topic))
            #expect(try TopicFilter("$SYS/broker/#").matches(topic))
            #expect(try !TopicFilter("#").matches(topic))
        }
    }

    @Test func loadFollowsWhatHappens() throws {
        var topics = SystemTopics()
        var reading = SystemTopics.Reading()
        // Sixty a second, for longer than the slowest average remembers.
        for _ in 0..<(3 * 3_600) {
            reading.received += 60
            _ = topics.update(reading, seconds: 1)
        }
        for minutes in [1, 5, 15] {
            #expect(abs(try value(topics, "\(load)\(minutes)min") - 3_600) < 1)
        }
        // After as many minutes without any, an average has the e-th part left.
        for minute in 1...15 {
            for _ in 0..<60 { _ = topics.update(reading, seconds: 1) }
            if [1, 5, 15].contains(minute) {
                let left = try value(topics, "\(load)\(minute)min")
                #expect(abs(left - 3_600 * exp(-1)) < 1)
            }
        }
        #expect(topics.values["$SYS/broker/load/connections/1min"] == "0.00")
    }

    /// The same average, however often it is brought up to date.
    @Test(arguments: [1, 10, 60]) func loadDoesNotDependOnTheInterval(seconds: Int) throws {
        var topics = SystemTopics()
        var reading = SystemTopics.Reading()
        for _ in 0..<(600 / seconds) {
            reading.received += UInt64(10 * seconds)
            _ = topics.update(reading, seconds: Double(seconds))
        }
        #expect(abs(try value(topics, load + "5min") - 600 * (1 - exp(-2))) < 0.1)
    }

    @Test func whoMayReadIsAListOfIdentifiers() {
        let one = "0199f6d2-5a0c-7e11-9d3f-4b1c8a2e6f10"
        #expect(OperatorSettings.problem(ofReaders: one) == nil)
        #expect(OperatorSettings.problem(ofReaders: " \(one)  \(one) ") == nil)
        for text in ["", " ", "x", "\(one),\(one)", "\(one) x"] {
            #expect(OperatorSettings.problem(ofReaders: text) != nil, "\(text)")
        }
    }
}
