// SPDX-License-Identifier: Apache-2.0
import Bus

/// A stored record in the form in which it is delivered.
enum StreamFrame {
    static func length(_ record: LogRecord) -> Int {
        Wire.headLength + Wire.streamHeadLength + record.body.count
    }

    /// The end of an answer that leaves messages out: up to where it looked, and how many it left out (``Bus/Wire/Flags/end``).
    static func writeEnd(through sequence: UInt64, passedOver: UInt32, to frame: UnsafeMutableRawPointer) {
        let length = Wire.headLength + Wire.streamHeadLength
        frame.initializeMemory(as: UInt8.self, repeating: 0, count: length)
        frame.storeBytes(of: UInt32(length - 4), as: UInt32.self)
        frame.storeBytes(of: Wire.Opcode.streamDelivery.rawValue, toByteOffset: 4, as: UInt8.self)
        frame.storeBytes(of: Wire.Flags.end.rawValue, toByteOffset: 5, as: UInt8.self)
        frame.storeBytes(of: sequence, toByteOffset: 16, as: UInt64.self)
        frame.storeBytes(of: passedOver, toByteOffset: 32, as: UInt32.self)
    }

    @inline(__always)
    static func write(
        _ record: LogRecord, token: UInt32, deliveryCount: UInt32, to frame: UnsafeMutableRawPointer, length: Int
    ) {
        frame.storeBytes(of: UInt32(length - 4), as: UInt32.self)
        frame.storeBytes(of: Wire.Opcode.streamDelivery.rawValue, toByteOffset: 4, as: UInt8.self)
        frame.storeBytes(of: 0, toByteOffset: 5, as: UInt8.self)
        frame.storeBytes(of: UInt16(record.subjectLength), toByteOffset: 6, as: UInt16.self)
        frame.storeBytes(of: token, toByteOffset: 8, as: UInt32.self)
        frame.storeBytes(of: 0, toByteOffset: 12, as: UInt16.self)
        frame.storeBytes(of: UInt16(record.headersLength), toByteOffset: 14, as: UInt16.self)
        frame.storeBytes(of: record.sequence, toByteOffset: 16, as: UInt64.self)
        frame.storeBytes(of: record.storedAt, toByteOffset: 24, as: Int64.self)
        frame.storeBytes(of: deliveryCount, toByteOffset: 32, as: UInt32.self)
        frame.storeBytes(of: 0, toByteOffset: 36, as: UInt32.self)
        if let body = record.body.baseAddress {
            (frame + Wire.headLength + Wire.streamHeadLength).copyMemory(from: body, byteCount: record.body.count)
        }
    }
}
