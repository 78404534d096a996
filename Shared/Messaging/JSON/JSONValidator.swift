// SPDX-License-Identifier: Apache-2.0
import Core
import NIOCore

/// Checks that bytes are one JSON value, strictly by RFC 8259, without making anything of it.
///
/// Names that occur twice in an object are accepted: the grammar allows them (section 4).
public enum JSONValidator {
    /// - Parameter depth: how deep arrays and objects may nest, 0 to 63.
    public static func validate(
        _ bytes: UnsafeRawBufferPointer, depth: Int = Limits.jsonDepth
    ) throws(JSONError) {
        var cursor = JSONCursor(bytes)
        cursor.skipWhiteSpace()
        try cursor.skipValue(depth: depth)
        cursor.skipWhiteSpace()
        guard cursor.isAtEnd else { throw JSONError(.trailingContent, offset: cursor.offset) }
    }

    /// Checks the readable bytes.
    public static func validate(_ buffer: ByteBuffer, depth: Int = Limits.jsonDepth) throws(JSONError) {
        let failure = buffer.withUnsafeReadableBytes { bytes -> JSONError? in
            do throws(JSONError) {
                try validate(bytes, depth: depth)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }
}
