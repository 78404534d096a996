// SPDX-License-Identifier: Apache-2.0
import Bus

extension Connection {
    /// Appends a control frame.
    func control(
        _ opcode: Wire.Opcode, token: UInt32, extra: UInt16 = 0, flags: Wire.Flags = [], body: some Collection<UInt8>
    ) {
        let length = Wire.controlHeadLength + body.count
        let frame = output.reserve(length)
        frame.storeBytes(of: UInt32(length - 4), as: UInt32.self)
        frame.storeBytes(of: opcode.rawValue, toByteOffset: 4, as: UInt8.self)
        frame.storeBytes(of: flags.rawValue, toByteOffset: 5, as: UInt8.self)
        frame.storeBytes(of: extra, toByteOffset: 6, as: UInt16.self)
        frame.storeBytes(of: token, toByteOffset: 8, as: UInt32.self)
        UnsafeMutableRawBufferPointer(start: frame + Wire.controlHeadLength, count: body.count).copyBytes(from: body)
    }

    func done(_ token: UInt32, _ body: some Collection<UInt8>) { control(.done, token: token, body: body) }

    func done(_ token: UInt32) { control(.done, token: token, body: EmptyCollection()) }

    func failed(_ token: UInt32, _ failure: Wire.Failure, _ text: String) {
        control(.failed, token: token, extra: failure.rawValue, body: text.utf8)
    }

    func refused(_ token: UInt32, _ failure: Wire.Failure, retryAfterSeconds: UInt32 = 0, _ text: String) {
        var body: [UInt8] = []
        for shift in stride(from: UInt32(0), to: 32, by: 8) {
            body.append(UInt8(truncatingIfNeeded: retryAfterSeconds >> shift))
        }
        control(.refused, token: token, extra: failure.rawValue, body: body + text.utf8)
    }

    /// `count` consecutive tokens got consecutive sequence numbers.
    func stored(firstToken: UInt32, count: UInt32, firstSequence: UInt64, isDuplicate: Bool) {
        let frame = output.reserve(Wire.controlHeadLength + 16)
        frame.storeBytes(of: UInt32(Wire.controlHeadLength + 16 - 4), as: UInt32.self)
        frame.storeBytes(of: Wire.Opcode.stored.rawValue, toByteOffset: 4, as: UInt8.self)
        frame.storeBytes(of: isDuplicate ? Wire.Flags.duplicate.rawValue : 0, toByteOffset: 5, as: UInt8.self)
        frame.storeBytes(of: 0, toByteOffset: 6, as: UInt16.self)
        frame.storeBytes(of: firstToken, toByteOffset: 8, as: UInt32.self)
        frame.storeBytes(of: count, toByteOffset: 12, as: UInt32.self)
        frame.storeBytes(of: 0, toByteOffset: 16, as: UInt32.self)
        frame.storeBytes(of: firstSequence, toByteOffset: 20, as: UInt64.self)
    }

    /// Tells a requester that nobody listens: an empty publish on its reply subject.
    func noResponders(reply: UnsafeRawBufferPointer) {
        let length = Wire.headLength + reply.count
        let frame = output.reserve(length)
        frame.initializeMemory(as: UInt8.self, repeating: 0, count: Wire.headLength)
        frame.storeBytes(of: UInt32(length - 4), as: UInt32.self)
        frame.storeBytes(of: Wire.Opcode.publish.rawValue, toByteOffset: 4, as: UInt8.self)
        frame.storeBytes(of: Wire.Flags.noResponders.rawValue, toByteOffset: 5, as: UInt8.self)
        frame.storeBytes(of: UInt16(reply.count), toByteOffset: 6, as: UInt16.self)
        UnsafeMutableRawBufferPointer(start: frame + Wire.headLength, count: reply.count).copyBytes(from: reply)
    }
}
