// SPDX-License-Identifier: Apache-2.0
import Bus
import NIOCore
import Synchronization
import TestKit

extension BusMessage {
    init(_ subject: String, _ text: String, reply: String? = nil, headers: BusHeaders = BusHeaders()) {
        self.init(subject: subject, reply: reply, headers: headers, payload: ByteBuffer(string: text))
    }

    var text: String { String(buffer: payload) }
}

extension StreamMessage {
    var text: String { String(buffer: payload) }
}

extension BusSubscription {
    /// The next `count` messages; more than that in the last batch are returned too.
    func take(_ count: Int) async throws -> [BusMessage] {
        try await within {
            var taken: [BusMessage] = []
            guard count > 0 else { return taken }
            for try await batch in self.batches {
                taken += batch
                if taken.count >= count { break }
            }
            return taken
        }
    }
}

extension BusConsumer {
    func take(_ count: Int) async throws -> [StreamMessage] {
        try await within {
            var taken: [StreamMessage] = []
            for try await batch in self.batches {
                taken += batch
                if taken.count >= count { break }
            }
            return taken
        }
    }
}

/// Reads a sequence of batches to its end in the background.
final class Collector<Element: Sendable>: Sendable {
    private let state = Mutex<(elements: [Element], end: Result<Void, any Error>?)>(([], nil))

    init(_ batches: AsyncThrowingStream<[Element], any Error>, each: @escaping @Sendable ([Element]) -> Void = { _ in })
    {
        // Unstructured: it lives as long as the sequence, which the test ends.
        Task {
            do {
                for try await batch in batches {
                    state.withLock { $0.elements += batch }
                    each(batch)
                }
                state.withLock { $0.end = .success(()) }
            } catch {
                state.withLock { $0.end = .failure(error) }
            }
        }
    }

    var elements: [Element] { state.withLock { $0.elements } }
    var count: Int { state.withLock { $0.elements.count } }
    var hasEnded: Bool { state.withLock { $0.end != nil } }
    var error: BusError? {
        state.withLock { if case .failure(let error) = $0.end { error as? BusError } else { nil } }
    }
}

func names(_ range: Range<Int>) -> [String] { range.map(String.init) }

/// A stream whose budget nothing in the tests reaches.
func testStream(_ name: String = "test", _ subjects: [String] = ["test.>"]) -> StreamConfiguration {
    StreamConfiguration(
        name: name, subjects: subjects, retention: .limits, maximumBytes: 256 << 20, segmentBytes: 1 << 20)
}
