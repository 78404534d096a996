// SPDX-License-Identifier: Apache-2.0
import NIOCore

/// Finds `"t":<monotonic nanoseconds>,` in the bytes of one subscriber, wherever they are cut.
struct TimeMarks {
    private static let mark = Array(#""t":"#.utf8)

    /// What may be the beginning of a mark or of its number.
    private var tail: [UInt8] = []

    /// The ages of the marks that end in these bytes, in microseconds.
    mutating func take(_ bytes: ByteBufferView, now: UInt64) -> [Float] {
        var text = tail
        text += bytes
        var ages: [Float] = []
        var offset = 0
        var kept = max(0, text.count - Self.mark.count + 1)
        text.withUnsafeBufferPointer { text in
            while offset + Self.mark.count <= text.count {
                guard text[offset] == Self.mark[0], text[offset + 1] == Self.mark[1], text[offset + 2] == Self.mark[2],
                    text[offset + 3] == Self.mark[3]
                else {
                    offset += 1
                    continue
                }
                var number: UInt64 = 0
                var end = offset + Self.mark.count
                while end < text.count, text[end] &- 48 < 10 {
                    number = number &* 10 &+ UInt64(text[end] - 48)
                    end += 1
                }
                guard end < text.count else {
                    kept = offset
                    return
                }
                ages.append(Float(now &- number) / 1_000)
                offset = end
                kept = max(kept, offset)
            }
        }
        tail = Array(text[min(kept, text.count)...])
        return ages
    }
}
