// SPDX-License-Identifier: Apache-2.0
import Bus
import Core
import Messaging
import NIOCore
import Postgres

/// Turns messages into rows. What cannot become a row becomes a dead letter; its neighbours are not touched.
struct BatchBuilder {
    private(set) var batch = PreparedBatch()
    private var decoder = SenMLDecoder()
    private var records = SenMLBatch()
    private var lastNeed: (MessageTable, Day)?
    private var lastView: RawMessageView?

    /// Hands over what was built and begins anew.
    mutating func take() -> PreparedBatch {
        defer {
            batch = PreparedBatch()
            lastNeed = nil
            lastView = nil
        }
        return batch
    }

    mutating func append(_ message: StreamMessage) {
        batch.begin(message)
        let view: RawMessageView
        do throws(RawMessageError) {
            view = try RawMessageView(decoding: message.payload, after: lastView)
            lastView = view
        } catch {
            batch.deadLetters.append(DeadLetter(message, reason: error.reason, error.message))
            return
        }
        switch view.contentType {
        case .senmlJSON: appendSenML(view, .json, message)
        case .senmlCBOR: appendSenML(view, .cbor, message)
        case .json: appendJSON(view, message)
        case .octetStream, .other: appendBlob(view, message)
        }
    }

    // MARK: SenML

    private mutating func appendSenML(_ view: RawMessageView, _ format: SenMLFormat, _ message: StreamMessage) {
        records.removeAll()
        do throws(SenMLError) {
            try decoder.decode(view.payload, format: format, receivedAt: view.created, into: &records)
        } catch {
            batch.deadLetters.append(DeadLetter(message, reason: error.reason, error.message))
            return
        }
        guard let origin = Self.origin(view) else {
            batch.deadLetters.append(Self.nullCharacter(message))
            return
        }
        // In chronological order.
        var times: ClosedRange<Int64>?
        for record in records.records {
            let mark = batch.senml.mark
            guard append(record, sequence: message.sequence, origin: origin) else {
                batch.senml.rewind(to: mark)
                batch.deadLetters.append(Self.nullCharacter(message, record: Int32(clamping: record.index)))
                continue
            }
            times = min(times?.lowerBound ?? record.time, record.time)...record.time
            need(.senml, record.time)
        }
        if let times { place(view, .senml, times) }
    }

    /// - Returns: false when a text holds U+0000.
    private mutating func append(_ record: SenMLRecord, sequence: UInt64, origin: CopyBuffer) -> Bool {
        batch.senml.beginRow(fields: MessageTable.senml.columnCount)
        batch.senml.append(record.time)
        batch.senml.append(Int64(clamping: sequence))
        batch.senml.append(Int32(clamping: record.index))
        batch.senml.append(fieldsOf: origin)
        guard appendText(record.name) else { return false }
        if let unit = record.unit {
            guard appendText(unit) else { return false }
        } else {
            batch.senml.appendNull()
        }
        guard appendValue(record.value) else { return false }
        batch.senml.append(record.sum)
        batch.senml.append(record.updateTime.map { Double($0) / 1e9 })
        return true
    }

    /// The four columns of which at most one is not NULL.
    private mutating func appendValue(_ value: SenMLRecord.Value) -> Bool {
        switch value {
        case .none:
            for _ in 0..<4 { batch.senml.appendNull() }
        case .number(let number):
            batch.senml.append(number)
            for _ in 0..<3 { batch.senml.appendNull() }
        case .text(let text):
            batch.senml.appendNull()
            guard appendText(text) else { return false }
            for _ in 0..<2 { batch.senml.appendNull() }
        case .boolean(let flag):
            for _ in 0..<2 { batch.senml.appendNull() }
            batch.senml.append(flag)
            batch.senml.appendNull()
        case .data(let data):
            for _ in 0..<3 { batch.senml.appendNull() }
            return records.withBytes(of: data) { batch.senml.append(bytes: $0) }
        }
        return true
    }

    private mutating func appendText(_ slice: SenMLRecord.Slice) -> Bool {
        records.withBytes(of: slice) { batch.senml.append(utf8: $0) }
    }

    // MARK: JSON and everything else

    private mutating func appendJSON(_ view: RawMessageView, _ message: StreamMessage) {
        let payload = view.payload
        do throws(JSONError) {
            try JSONValidator.validate(payload)
        } catch {
            batch.deadLetters.append(DeadLetter(message, reason: error.reason, error.message))
            return
        }
        guard let origin = Self.origin(view), !payload.readableBytesView.containsEscapedNull else {
            batch.deadLetters.append(Self.nullCharacter(message))
            return
        }
        let mark = batch.json.mark
        batch.json.beginRow(fields: MessageTable.json.columnCount)
        batch.json.append(view.created)
        batch.json.append(Int64(clamping: message.sequence))
        batch.json.append(fieldsOf: origin)
        do throws(PostgresError) {
            try batch.json.append(json: payload)
        } catch {
            batch.json.rewind(to: mark)
            batch.deadLetters.append(DeadLetter(message, reason: "json-unstorable", error.message))
            return
        }
        place(view, .json, view.created...view.created)
        need(.json, view.created)
    }

    private mutating func appendBlob(_ view: RawMessageView, _ message: StreamMessage) {
        guard let origin = Self.origin(view) else {
            batch.deadLetters.append(Self.nullCharacter(message))
            return
        }
        let mark = batch.blobs.mark
        batch.blobs.beginRow(fields: MessageTable.blobs.columnCount)
        batch.blobs.append(view.created)
        batch.blobs.append(Int64(clamping: message.sequence))
        batch.blobs.append(fieldsOf: origin)
        do throws(PostgresError) {
            try batch.blobs.append(text: view.contentType.mediaType)
            try batch.blobs.append(bytes: view.payload)
        } catch {
            batch.blobs.rewind(to: mark)
            batch.deadLetters.append(DeadLetter(message, reason: "blob-unstorable", error.message))
            return
        }
        place(view, .blobs, view.created...view.created)
        need(.blobs, view.created)
    }

    // MARK: What all have in common

    /// channel, domain, publisher, subtopic, protocol; nil when one of the texts holds U+0000.
    private static func origin(_ view: RawMessageView) -> CopyBuffer? {
        var fields = CopyBuffer(capacity: 96)
        fields.append(view.channel)
        fields.append(view.domain)
        fields.append(view.publisher)
        guard view.withSubtopic({ fields.append(utf8: $0) }), view.withTransport({ fields.append(utf8: $0) }) else {
            return nil
        }
        return fields
    }

    private static func nullCharacter(_ message: StreamMessage, record: Int32 = DeadLetter.wholeMessage) -> DeadLetter {
        DeadLetter(
            message, record: record, reason: "null-character",
            "A text holds the character U+0000, which PostgreSQL cannot store.")
    }

    private mutating func place(_ view: RawMessageView, _ table: MessageTable, _ times: ClosedRange<Int64>) {
        batch.place(
            StoredPlace(
                resource: StoredPlace.Resource(channel: view.channel, subtopic: view.subtopic), table: table,
                created: view.created, times: times))
    }

    private mutating func need(_ table: MessageTable, _ time: Int64) {
        let day = Day(containing: time)
        // Most rows are of the same day as the one before.
        if let last = lastNeed, last == (table, day) { return }
        lastNeed = (table, day)
        batch.days[table, default: []].insert(day)
    }
}

extension Collection where Element == UInt8 {
    /// Whether JSON text holds `\u0000`, which the grammar allows and `jsonb` does not.
    fileprivate var containsEscapedNull: Bool {
        // How much of the escape has been seen; a backslash that is itself escaped begins none.
        let escape = Array("u0000".utf8)
        var matched: Int?
        for byte in self {
            if let count = matched {
                if byte == escape[count] {
                    if count == escape.count - 1 { return true }
                    matched = count + 1
                } else {
                    // The byte behind a backslash is spent; later ones may begin an escape of their own.
                    matched = count > 0 && byte == UInt8(ascii: "\\") ? 0 : nil
                }
            } else if byte == UInt8(ascii: "\\") {
                matched = 0
            }
        }
        return false
    }
}
