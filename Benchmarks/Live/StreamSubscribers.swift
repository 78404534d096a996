// SPDX-License-Identifier: Apache-2.0
import Foundation
import NIOCore
import TestKit

/// One connection of HTTP/2 with many streams of events, by bare frames (RFC 9113): the client must not cost more than the server that is measured.
final class StreamSubscribers: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// One stream to be.
    struct Plan {
        var device: Stack.Device
        /// Whether its window is opened; else it takes the 65,535 bytes that it begins with.
        var reads: Bool
    }

    private struct Stream {
        var marks = TimeMarks()
        var isOpen = false
        var hasEnded = false
    }

    /// Types of frames and their flags (RFC 9113 section 6).
    private enum FrameType {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let goAway: UInt8 = 7
        static let windowUpdate: UInt8 = 8
    }
    private static let endOfStream: UInt8 = 1
    private static let acknowledgement: UInt8 = 1
    private static let endOfHeaders: UInt8 = 4
    private static let headBytes = 9
    /// The largest window less the 65,535 bytes that there are.
    private static let windowIncrement: UInt32 = 0x7FFF_FFFF - 65_535
    /// `:status: 200` (RFC 7541 appendix A).
    private static let success: UInt8 = 0x88

    private let plans: [Plan]
    private let readsSocket: Bool
    private let report: @Sendable (LiveReport) -> Void
    private var opened: EventLoopPromise<Void>?
    private var streams: [Stream]
    private var missingHeads: Int
    private var received = ByteBuffer()
    /// Of the connection's window, not given back yet.
    private var consumed = 0

    /// - Parameter readsSocket: false for a connection that reads nothing once all its streams are open.
    init(
        _ plans: [Plan], readsSocket: Bool, opened: EventLoopPromise<Void>,
        report: @escaping @Sendable (LiveReport) -> Void
    ) {
        self.plans = plans
        self.readsSocket = readsSocket
        self.opened = opened
        self.report = report
        streams = Array(repeating: Stream(), count: plans.count)
        missingHeads = plans.count
    }

    func channelActive(context: ChannelHandlerContext) {
        var bytes = ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        Self.write(FrameType.settings, 0, 0, [], into: &bytes)
        Self.write(FrameType.windowUpdate, 0, 0, Self.bytes(Self.windowIncrement), into: &bytes)
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let now = DispatchTime.now().uptimeNanoseconds
        var bytes = unwrapInboundIn(data)
        received.writeBuffer(&bytes)
        while let head = received.getBytes(at: received.readerIndex, length: Self.headBytes) {
            let length = head[..<3].reduce(0) { $0 << 8 | Int($1) }
            guard received.readableBytes >= Self.headBytes + length else { break }
            received.moveReaderIndex(forwardBy: Self.headBytes)
            let stream = head[5...].reduce(0) { $0 << 8 | Int($1) } & 0x7FFF_FFFF
            guard let payload = received.readSlice(length: length) else { break }
            take(head[3], flags: head[4], stream: stream, payload, now, context)
        }
        received.discardReadBytes()
        guard consumed > 1 << 20 else { return }
        var update = ByteBuffer()
        Self.write(FrameType.windowUpdate, 0, 0, Self.bytes(UInt32(consumed)), into: &update)
        consumed = 0
        context.writeAndFlush(wrapOutboundOut(update), promise: nil)
    }

    private func take(
        _ type: UInt8, flags: UInt8, stream: Int, _ payload: ByteBuffer, _ now: UInt64, _ context: ChannelHandlerContext
    ) {
        if type == FrameType.settings {
            if stream == 0, flags & Self.acknowledgement == 0 { openStreams(context) }
            return
        }
        guard stream > 0, streams.indices.contains((stream - 1) / 2) else { return }
        let index = (stream - 1) / 2
        switch type {
        case FrameType.headers:
            guard payload.readableBytesView.first == Self.success, flags & Self.endOfStream == 0 else {
                opened?.fail(BenchmarkFailure(description: "a stream was refused"))
                opened = nil
                return
            }
            streams[index].isOpen = true
            missingHeads -= 1
            guard missingHeads == 0 else { return }
            opened?.succeed()
            opened = nil
            if !readsSocket { _ = context.channel.setOption(.autoRead, value: false) }
        case FrameType.data:
            consumed += payload.readableBytes
            let latencies = streams[index].marks.take(payload.readableBytesView, now: now)
            if !latencies.isEmpty { report(.messages(latencies)) }
            if flags & Self.endOfStream != 0 { ended(index) }
        case FrameType.reset: ended(index)
        default: break
        }
    }

    private func openStreams(_ context: ChannelHandlerContext) {
        var bytes = ByteBuffer()
        Self.write(FrameType.settings, Self.acknowledgement, 0, [], into: &bytes)
        for (index, plan) in plans.enumerated() {
            let stream = UInt32(index * 2 + 1)
            let flags = Self.endOfStream | Self.endOfHeaders
            Self.write(FrameType.headers, flags, stream, Self.request(plan.device), into: &bytes)
            if plan.reads {
                Self.write(FrameType.windowUpdate, 0, stream, Self.bytes(Self.windowIncrement), into: &bytes)
            }
        }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: nil)
    }

    private func ended(_ index: Int) {
        guard !streams[index].hasEnded else { return }
        streams[index].hasEnded = true
        if plans[index].reads, readsSocket { report(.ended) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        opened?.fail(BenchmarkFailure(description: "a connection was closed before its streams were open"))
        opened = nil
        for index in streams.indices { ended(index) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    // MARK: Bytes

    private static func write(
        _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8], into buffer: inout ByteBuffer
    ) {
        let length = UInt32(payload.count)
        buffer.writeMultipleIntegers(UInt8(truncatingIfNeeded: length >> 16), UInt16(truncatingIfNeeded: length))
        buffer.writeMultipleIntegers(type, flags, stream)
        buffer.writeBytes(payload)
    }

    private static func bytes(_ number: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
    }

    /// Header fields without Huffman's code and without the dynamic table (RFC 7541 section 6).
    private static func request(_ device: Stack.Device) -> [UInt8] {
        // :method: GET, :scheme: http
        var block: [UInt8] = [0x82, 0x86]
        // :path, :authority by their indices
        block += [0x04] + text(device.publishPath)
        block += [0x01] + text("bench")
        for (name, value) in [("authorization", "Thing \(device.key)"), ("accept", "text/event-stream")] {
            block += [0x00] + text(name) + text(value)
        }
        return block
    }

    /// A string with its length, an integer with a prefix of seven bits (RFC 7541 sections 5.1 and 5.2).
    private static func text(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count >= 127 else { return [UInt8(bytes.count)] + bytes }
        var length: [UInt8] = [127]
        var rest = bytes.count - 127
        while rest >= 128 {
            length.append(UInt8(rest % 128 + 128))
            rest /= 128
        }
        return length + [UInt8(rest)] + bytes
    }
}
