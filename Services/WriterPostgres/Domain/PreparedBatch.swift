// SPDX-License-Identifier: Apache-2.0
import Bus
import Postgres

/// Consecutive messages, ready to be stored: their rows in COPY format, each message's share of them marked.
struct PreparedBatch: Sendable {
    struct Entry: Sendable {
        /// Kept for the dead letters, where the whole envelope goes.
        var message: StreamMessage
        /// Where the message's rows begin in each buffer.
        var senml: CopyBuffer.Mark
        var json: CopyBuffer.Mark
        var blobs: CopyBuffer.Mark
        /// Index of the message's first dead letter.
        var deadLetters: Int
        /// Where it is stored; nil when nothing of it is.
        var place: StoredPlace?
    }

    var entries: [Entry] = []
    var senml = CopyBuffer()
    var json = CopyBuffer()
    var blobs = CopyBuffer()
    var deadLetters: [DeadLetter] = []
    /// Which partitions the rows need.
    var days: [MessageTable: Set<Day>] = [:]

    var isEmpty: Bool { entries.isEmpty }
    var rows: Int { senml.rows + json.rows + blobs.rows + deadLetters.count }
    var byteCount: Int { senml.byteCount + json.byteCount + blobs.byteCount }

    mutating func begin(_ message: StreamMessage) {
        entries.append(
            Entry(
                message: message, senml: senml.mark, json: json.mark, blobs: blobs.mark, deadLetters: deadLetters.count)
        )
    }

    /// Says where the message that was begun last is stored.
    mutating func place(_ place: StoredPlace) {
        guard !entries.isEmpty else { return }
        entries[entries.count - 1].place = place
    }

    /// The message of these entries that is stored last, of each channel and subtopic.
    func lastPlaces(of range: Range<Int>) -> [(place: StoredPlace, sequence: UInt64)] {
        var seen: Set<StoredPlace.Resource> = []
        var places: [(place: StoredPlace, sequence: UInt64)] = []
        for entry in entries[range].reversed() {
            guard let place = entry.place, seen.insert(place.resource).inserted else { continue }
            places.append((place, entry.message.sequence))
        }
        return places
    }

    func buffer(_ table: MessageTable) -> CopyBuffer {
        switch table {
        case .senml: senml
        case .json: json
        case .blobs: blobs
        }
    }

    /// Where the rows of entry `index` begin; for the index behind the last one, where the rows end.
    func mark(_ table: MessageTable, at index: Int) -> CopyBuffer.Mark {
        guard entries.indices.contains(index) else { return buffer(table).mark }
        return switch table {
        case .senml: entries[index].senml
        case .json: entries[index].json
        case .blobs: entries[index].blobs
        }
    }

    /// How many rows of a table these entries have.
    func rows(_ table: MessageTable, of range: Range<Int>) -> Int {
        mark(table, at: range.upperBound).rows - mark(table, at: range.lowerBound).rows
    }

    /// The dead letters of these entries.
    func deadLetters(of range: Range<Int>) -> ArraySlice<DeadLetter> {
        func offset(_ index: Int) -> Int {
            entries.indices.contains(index) ? entries[index].deadLetters : deadLetters.count
        }
        return deadLetters[offset(range.lowerBound)..<offset(range.upperBound)]
    }
}
