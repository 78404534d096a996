// SPDX-License-Identifier: Apache-2.0
import CLinux
import Foundation

/// Publishes the same packets again and again out of one prepared buffer: nothing is made or copied while the clock runs.
final class MQTTPublisher {
    let connection: MQTTConnection
    /// Whole packets; those of QoS 1 have identifiers that differ. There are twice as many as may be unacknowledged, so that an identifier is
    /// free when its turn comes again.
    private let ring: [UInt8]
    private let packetLength: Int
    private let writeLength: Int
    /// Messages that may be unacknowledged; nil with QoS 0.
    private let window: Int?
    private var sentBytes = 0
    private(set) var acknowledged = 0
    /// Whether to try again once the socket takes more.
    private(set) var wantsWrite = true

    init(_ connection: MQTTConnection, topic: String, shape: MQTTLoad.Shape) {
        self.connection = connection
        let payload = MQTTPayload(byteCount: shape.payloadBytes).bytes
        window = shape.qualityOfService == 0 ? nil : shape.batch
        let count = shape.batch * (shape.qualityOfService == 0 ? 1 : 2)
        let packets = (1...count).map { number in
            MQTTPacket.publish(
                topic, identifier: shape.qualityOfService == 0 ? nil : UInt16(number), payload: payload)
        }
        packetLength = packets[0].count
        ring = Array(packets.joined())
        writeLength = shape.batch * packetLength
        if window == nil {
            // A publisher that is ahead of the broker has a little waiting in the kernel, not megabytes that take seconds to drain.
            var bytes = Int32(64 << 10)
            setsockopt(
                connection.descriptor, SOL_SOCKET, SO_SNDBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// One that was begun counts.
    var published: Int { (sentBytes + packetLength - 1) / packetLength }

    func acknowledge(_ count: Int) { acknowledged += count }

    /// Whether there is nothing more to send or to wait for, when no new message is begun.
    var isFinished: Bool {
        sentBytes % packetLength == 0 && (window == nil || acknowledged == sentBytes / packetLength)
    }

    /// Sends what may be sent: with QoS 0 one write, with QoS 1 all that the window allows.
    ///
    /// - Parameter isStopping: only a message that was begun is ended.
    func send(isStopping: Bool) {
        repeat {
            let limit =
                isStopping ? published * packetLength : window.map { (acknowledged + $0) * packetLength } ?? Int.max
            let offset = sentBytes % ring.count
            let count = min(limit - sentBytes, ring.count - offset, writeLength - sentBytes % writeLength)
            guard count > 0 else {
                wantsWrite = false
                return
            }
            let taken = ring.withUnsafeBytes {
                connection.send(UnsafeRawBufferPointer(rebasing: $0[offset..<offset + count]))
            }
            sentBytes += taken
            wantsWrite = true
            if taken < count { return }
        } while window != nil || isStopping
    }
}
