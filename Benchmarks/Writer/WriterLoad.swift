// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Foundation
import Messaging
import NIOCore
import Postgres
import TestKit

/// Messages for the writer, and the rows that they have to become, from the air-quality data: what sixteen stations send, one pack a second.
struct WriterLoad: Sendable {
    enum Shape: CaseIterable {
        /// One pack is one row of the data, all of its 13 readings.
        case packs
        /// Every reading comes alone.
        case single

        var title: String {
            switch self {
            case .packs: "13-record packs"
            case .single: "single-record packs"
            }
        }

        var recordsPerMessage: Int { self == .packs ? 13 : 1 }
    }

    private struct Station {
        let channel = ChannelID.new()
        let publisher = ThingID.new()
        let name: String
    }

    /// A reading as it stands in the file.
    private struct Reading {
        let name: String
        let text: String
        let value: Double
    }

    let shape: Shape
    let messageCount: Int
    private let stations = (0..<16).map { Station(name: "station-\($0):") }
    private let domain = DomainID.new()
    private let rows: [[Reading]]
    /// Unix seconds of the first message; the last one is not in the future.
    private let start: Int64

    var recordCount: Int { messageCount * shape.recordsPerMessage }

    /// - Parameter recordCount: about so many records.
    init(_ shape: Shape, recordCount: Int) throws {
        self.shape = shape
        messageCount = max(1, recordCount / shape.recordsPerMessage)
        let data = try AirQualityData(contentsOf: Repository.file("Tests/Data/air-quality-uci.csv"))
        // The rows without a missing reading.
        rows = data.rows.filter { $0.readings.count == 13 }.map { row in
            row.readings.map {
                Reading(name: AirQualityData.senmlName($0.column), text: $0.text, value: Double($0.text) ?? 0)
            }
        }
        guard !rows.isEmpty else { throw BenchmarkFailure(description: "the data has no complete row") }
        start = WallClock.system.now() / 1_000_000_000 - Int64(messageCount / stations.count) - 1
    }

    private func readings(_ index: Int) -> ArraySlice<Reading> {
        switch shape {
        case .packs: return rows[index % rows.count][...]
        case .single:
            let row = rows[index / 13 % rows.count]
            return row[(index % 13)...(index % 13)]
        }
    }

    private func time(_ index: Int) -> Int64 { start + Int64(index / stations.count) }

    func message(_ index: Int) -> BusMessage {
        let station = stations[index % stations.count]
        var text = "["
        for (number, reading) in readings(index).enumerated() {
            text += number == 0 ? #"{"bn":"\#(station.name)","bt":\#(time(index)),"# : ",{"
            text += #""n":"\#(reading.name)","v":\#(reading.text)}"#
        }
        let message = RawMessage(
            domain: domain, channel: station.channel, subtopic: "", publisher: station.publisher, transport: .http,
            contentType: .senmlJSON, created: time(index) * 1_000_000_000, payload: ByteBuffer(string: text + "]"))
        var payload = ByteBuffer()
        message.encode(into: &payload)
        return BusMessage(subject: Subjects.messages(channel: station.channel), payload: payload)
    }

    /// Into which columns and in which order ``append(_:sequence:to:)`` writes.
    static let copyStatement: SQL = """
        COPY messages.senml (time, sequence, record, channel, domain, publisher, subtopic, protocol, name, unit, value, string_value,
            bool_value, data_value, sum, update_time) FROM STDIN (FORMAT binary)
        """

    /// The rows of a message that has this place in the stream.
    func append(_ index: Int, sequence: UInt64, to buffer: inout CopyBuffer) throws {
        let station = stations[index % stations.count]
        for (record, reading) in readings(index).enumerated() {
            buffer.beginRow(fields: 16)
            buffer.append(time(index) * 1_000_000_000)
            buffer.append(Int64(clamping: sequence))
            buffer.append(Int32(record))
            buffer.append(station.channel)
            buffer.append(domain)
            buffer.append(station.publisher)
            try buffer.append(text: "")
            try buffer.append(text: "http")
            try buffer.append(text: station.name + reading.name)
            buffer.appendNull()
            buffer.append(reading.value)
            for _ in 0..<5 { buffer.appendNull() }
        }
    }
}
