// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// In front of the framing: tells the client how many streams it may have, which is fewer than NIO is told.
///
/// At its own limit NIO ends the whole connection, where RFC 9113 section 5.1.2 wants an error of the one stream that is too many. So NIO's limit leaves room
/// for those that ``HTTP2Connection`` refuses, and this puts the true one into the SETTINGS frame with which the server begins (section 3.4).
final class StreamAllowance: ChannelOutboundHandler {
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    /// Of a frame's head; of a setting: two of its identifier, four of its value (RFC 9113 sections 4.1 and 6.5.1).
    private static let headBytes = 9
    private static let settingBytes = 6
    private static let maximumConcurrentStreams: UInt16 = 3

    private let streams: UInt32
    private var isAnnounced = false

    init(_ streams: Int) { self.streams = UInt32(clamping: streams) }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isAnnounced, case .byteBuffer(var bytes) = unwrapOutboundIn(data) else {
            return context.write(data, promise: promise)
        }
        isAnnounced = true
        // The length is the first three bytes.
        let length = Int((bytes.getInteger(at: bytes.readerIndex, as: UInt32.self) ?? 0) >> 8)
        let start = bytes.readerIndex + Self.headBytes
        for setting in stride(from: start, to: start + length, by: Self.settingBytes)
        where bytes.getInteger(at: setting, as: UInt16.self) == Self.maximumConcurrentStreams {
            bytes.setInteger(streams, at: setting + 2)
        }
        context.write(wrapOutboundOut(.byteBuffer(bytes)), promise: promise)
    }
}
