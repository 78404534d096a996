// SPDX-License-Identifier: Apache-2.0
import Bus

/// A control frame in place: good only while the read buffer is.
struct ControlFrame {
    let extra: UInt16
    let token: UInt32
    let body: UnsafeRawBufferPointer

    /// - Parameter length: of the whole frame, at least ``Wire/controlHeadLength``.
    init(_ frame: UnsafeRawPointer, _ length: Int) {
        extra = frame.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
        token = frame.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        body = UnsafeRawBufferPointer(
            start: frame + Wire.controlHeadLength, count: length - Wire.controlHeadLength)
    }

    /// Part of the body as text; nil when it is not UTF-8.
    func text(_ range: Range<Int>) -> String? {
        String(validating: body[range], as: UTF8.self)
    }
}
