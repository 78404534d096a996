// SPDX-License-Identifier: Apache-2.0
import Glibc

/// The beginning of a frame whose rest has not arrived.
///
/// A short one is put in front of the next read; a long one (``isCollecting``) is read straight into memory of its own length.
struct InputCarry: ~Copyable {
    private(set) var bytes: UnsafeMutableRawPointer?
    private(set) var count = 0
    /// Length of the whole frame while it is collected, else 0.
    private(set) var needed = 0

    deinit { free(bytes) }

    var isCollecting: Bool { needed > 0 }
    var missing: Int { needed - count }

    /// Keeps a tail. `frameLength` is 0 while the frame's length is not known yet.
    mutating func keep(_ tail: UnsafeRawPointer, _ length: Int, frameLength: Int) {
        let collected = frameLength > ReadArena.maximumCarriedBytes ? frameLength : 0
        guard let allocated = malloc(max(collected, length)) else { fatalError("out of memory") }
        // The tail may be part of what is kept now.
        memcpy(allocated, tail, length)
        clear()
        bytes = allocated
        count = length
        needed = collected
    }

    mutating func received(_ length: Int) { count += length }

    mutating func clear() {
        free(bytes)
        bytes = nil
        count = 0
        needed = 0
    }
}
