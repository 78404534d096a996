// SPDX-License-Identifier: Apache-2.0
import Bus

/// What a durable consumer gave up on, as it is published: the original payload under `dead.<stream>.<consumer>`, and beside it the
/// headers that say what it was (``Wire/HeaderType`` 16 to 20).
struct DeadLetter {
    static let maximumReasonBytes = 255

    let subject: [UInt8]
    let headers: [UInt8]

    init(_ record: LogRecord, stream: String, consumer: String, deliveries: UInt32, reason: String) {
        subject = Array("dead.\(stream).\(consumer)".utf8)
        var headers: [UInt8] = []
        // Given up twice (the bus was killed in between), it is still one letter.
        Self.append(.messageID, "dead.\(Self.hash(subject)).\(record.sequence)".utf8, to: &headers)
        if let traceparent = Self.value(of: .traceparent, in: record.headers) {
            Self.append(.traceparent, traceparent, to: &headers)
        }
        var original = record.subject[...]
        while !original.isEmpty {
            Self.append(.originalSubject, original.prefix(255), to: &headers)
            original = original.dropFirst(255)
        }
        withUnsafeBytes(of: record.sequence.littleEndian) { Self.append(.originalSequence, $0, to: &headers) }
        Self.append(.reason, reason.utf8.prefix(Self.maximumReasonBytes), to: &headers)
        withUnsafeBytes(of: deliveries.littleEndian) { Self.append(.deliveryCount, $0, to: &headers) }
        withUnsafeBytes(of: record.storedAt.littleEndian) { Self.append(.originalStoredAt, $0, to: &headers) }
        self.headers = headers
    }

    /// - Parameter value: at most 255 bytes.
    private static func append(_ type: Wire.HeaderType, _ value: some Collection<UInt8>, to headers: inout [UInt8]) {
        headers.append(type.rawValue)
        headers.append(UInt8(clamping: value.count))
        headers.append(contentsOf: value)
    }

    private static func value(
        of type: Wire.HeaderType, in headers: UnsafeRawBufferPointer
    ) -> Slice<UnsafeRawBufferPointer>? {
        var offset = 0
        while offset + 2 <= headers.count {
            let end = offset + 2 + Int(headers[offset + 1])
            guard end <= headers.count else { return nil }
            if headers[offset] == type.rawValue { return headers[offset + 2..<end] }
            offset = end
        }
        return nil
    }

    /// FNV-1a, so that the identifier stays within its 64 bytes whatever the names' lengths.
    private static func hash(_ bytes: [UInt8]) -> String {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        return String(hash, radix: 16)
    }
}
