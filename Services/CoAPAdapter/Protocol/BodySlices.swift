// SPDX-License-Identifier: Apache-2.0
import Crypto
import DequeModule
import NIOCore

/// What a GET is answered with, as a whole.
package struct Content: Equatable, Sendable {
    package var payload: ByteBuffer
    package var contentFormat: UInt16?

    package init(payload: ByteBuffer, contentFormat: UInt16?) {
        self.payload = payload
        self.contentFormat = contentFormat
    }

    /// 8 bytes, of the payload and its format: another one whenever either is another (RFC 7252 section 5.10.6).
    package var eTag: [UInt8] {
        var hash = SHA256()
        withUnsafeBytes(of: (contentFormat ?? .max).littleEndian) { hash.update(bufferPointer: $0) }
        payload.withUnsafeReadableBytes { hash.update(bufferPointer: $0) }
        return Array(hash.finalize().prefix(8))
    }
}

/// Bodies that are fetched block by block (RFC 7959 section 2.4): each is kept for a while, so that its blocks are of one state.
///
/// Bounded: by bytes and by age; the oldest goes first.
package struct BodySlices {
    private struct Entry {
        let content: Content
        let eTag: [UInt8]
        let number: UInt64
        let expiresAt: UInt64
    }

    private static let lifetimeNanoseconds: UInt64 = 60_000_000_000

    private let maximumBytes: Int
    private var entries: [BodyAssembly.Key: Entry] = [:]
    /// In the order of their beginning; one of another number is of an entry that another has taken the place of.
    private var order: Deque<(key: BodyAssembly.Key, number: UInt64)> = []
    package private(set) var heldBytes = 0
    private var lastNumber: UInt64 = 0

    package init(maximumBytes: Int) { self.maximumBytes = maximumBytes }

    /// The block that is asked for, of what was begun before; nil: the content has to be found anew.
    package func next(_ key: BodyAssembly.Key, _ block: CoAPBlock, now: UInt64) throws(Refusal) -> CoAPResponse? {
        guard block.number > 0, let entry = entries[key], entry.expiresAt > now else { return nil }
        return try Self.slice(entry.content, entry.eTag, block)
    }

    /// The response to a request for `content`: all of it, or the block that is asked for, or the first.
    ///
    /// - Parameter room: bytes of payload that one message to this client can have.
    package mutating func begin(
        _ content: Content, _ key: BodyAssembly.Key, _ asked: CoAPBlock?, room: Int, now: UInt64
    ) throws(Refusal) -> CoAPResponse {
        let eTag = content.eTag
        let largest = Self.exponent(fitting: room)
        var block = asked ?? CoAPBlock(number: 0, isMore: false, sizeExponent: largest)
        // RFC 7959 section 2.3: a client that asks for larger ones than can be had gets smaller ones, from the same byte on.
        if block.sizeExponent > largest {
            block.number <<= UInt32(min(block.sizeExponent, 6) - min(largest, 6))
            block.sizeExponent = largest
        }
        guard asked != nil || content.payload.readableBytes > room else {
            var response = CoAPResponse(.content)
            response.payload = content.payload
            response.contentFormat = content.contentFormat
            response.eTag = eTag
            return response
        }
        let response = try Self.slice(content, eTag, block)
        if response.block2?.isMore == true { keep(content, eTag, key, now: now) }
        return response
    }

    package mutating func expire(_ now: UInt64) {
        while let oldest = order.first {
            let entry = entries[oldest.key]
            let isCurrent = entry?.number == oldest.number
            guard !isCurrent || (entry?.expiresAt ?? 0) <= now else { return }
            order.removeFirst()
            if isCurrent { remove(oldest.key) }
        }
    }

    private static func exponent(fitting room: Int) -> UInt8 {
        UInt8((0...6).last { 16 << $0 <= room } ?? 0)
    }

    private static func slice(_ content: Content, _ eTag: [UInt8], _ block: CoAPBlock) throws(Refusal) -> CoAPResponse {
        let count = content.payload.readableBytes
        guard block.sizeExponent != CoAPBlock.bert, block.offset < max(1, count),
            let payload = content.payload.getSlice(
                at: content.payload.readerIndex + block.offset, length: min(block.size, count - block.offset))
        else {
            throw Refusal(.badRequest, reason: "block-range", "There is no such block of this resource.")
        }
        var response = CoAPResponse(.content)
        // Its own bytes: the answer is remembered longer than the content.
        response.payload = ByteBuffer(bytes: payload.readableBytesView)
        response.contentFormat = content.contentFormat
        response.eTag = eTag
        response.block2 = CoAPBlock(
            number: block.number, isMore: block.offset + payload.readableBytes < count, sizeExponent: block.sizeExponent
        )
        if block.number == 0 { response.size2 = UInt32(clamping: count) }
        return response
    }

    private mutating func keep(_ content: Content, _ eTag: [UInt8], _ key: BodyAssembly.Key, now: UInt64) {
        remove(key)
        let bytes = content.payload.readableBytes + key.bytes
        guard bytes <= maximumBytes else { return }
        while heldBytes + bytes > maximumBytes, let oldest = order.popFirst() {
            if entries[oldest.key]?.number == oldest.number { remove(oldest.key) }
        }
        lastNumber &+= 1
        entries[key] = Entry(
            content: content, eTag: eTag, number: lastNumber, expiresAt: now &+ Self.lifetimeNanoseconds)
        order.append((key, lastNumber))
        heldBytes += bytes
    }

    private mutating func remove(_ key: BodyAssembly.Key) {
        if let entry = entries.removeValue(forKey: key) { heldBytes -= entry.content.payload.readableBytes + key.bytes }
    }
}
