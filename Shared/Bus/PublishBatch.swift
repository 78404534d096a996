// SPDX-License-Identifier: Apache-2.0
import Core
import Messaging
import NIOCore

/// A subject that was checked once, for those who publish on it again and again.
public struct BusSubject: Sendable, Equatable {
    let bytes: [UInt8]

    /// - Parameter write: appends the subject's bytes.
    /// - Throws: ``BusError/invalidSubject(_:)``.
    public init(_ write: (inout ByteBuffer) -> Void) throws(BusError) {
        var buffer = ByteBuffer()
        write(&buffer)
        bytes = Array(buffer.readableBytesView)
        guard bytes.withUnsafeBytes({ SubjectFilter.isValidSubject($0) }) else {
            throw .invalidSubject(String(decoding: bytes.prefix(Limits.subjectBytes), as: UTF8.self))
        }
    }
}

/// Messages of the core plane in the form in which they are sent, one behind the other: for code that publishes many at a time.
public struct PublishBatch {
    var frames = ByteBuffer()
    public private(set) var count = 0
    private(set) var largestPayload = 0

    public init() {}

    public var isEmpty: Bool { count == 0 }
    /// Of all of it, in its wire form.
    public var bytes: Int { frames.readableBytes }

    /// - Parameters:
    ///   - origin: see ``BusHeaders/origin``; nil: none.
    ///   - writePayload: may only append.
    @inline(__always)
    public mutating func append(
        _ subject: BusSubject, origin: UInt64? = nil, writePayload: (inout ByteBuffer) -> Void
    ) {
        largestPayload = max(
            largestPayload, FrameEncoding.append(to: &frames, subject.bytes, origin: origin, writePayload))
        count += 1
    }

    /// Empties it; its memory serves again.
    public mutating func removeAll() {
        frames.clear()
        count = 0
        largestPayload = 0
    }

    /// The messages one by one, for an engine with another wire form.
    public var messages: [BusMessage] {
        var subjects = SubjectTable()
        return FrameDecoding.messages(in: [frames], subjects: &subjects)
    }
}
