// SPDX-License-Identifier: Apache-2.0
import MQTTAdapter
import NIOCore
import TestKit
import Testing

@Suite struct ScannerTests {
    // [MQTT-4.2-1] [MQTT-7.1.1-1 of 3.1.1] A stream of bytes has no bounds of packets.
    // [MQTT-6.0.0-2] [MQTT-6.0.0-2 of 3.1.1] Nor have the frames of a WebSocket.
    @Test("packets are the same wherever the bytes are split", arguments: ProtocolVersion.allCases)
    func splits(version: ProtocolVersion) throws {
        let samples = Sample.all.filter { $0.version == version }
        let stream = samples.flatMap(\.bytes)
        let scanner = PacketScanner(maximumPacketSize: 4096, version: version)
        for split in 0...stream.count {
            #expect(try scan(stream, by: scanner) { $0 < split ? split : stream.count } == samples.map(\.packet.type))
        }
        for seed in UInt64(0)..<50 {
            var random = SeededGenerator(seed: seed)
            let types = try scan(stream, by: scanner) { $0 + Int.random(in: 1...7, using: &random) }
            #expect(types == samples.map(\.packet.type), "seed \(seed)")
        }
    }

    @Test("[MQTT-1.5.5-1] the remaining length takes one to four bytes, as few as it can")
    func lengths() throws {
        for (length, bytes) in [
            (0, [0]), (127, [0x7F]), (128, [0x80, 1]), (16_383, [0xFF, 0x7F]), (16_384, [0x80, 0x80, 1]),
            (2_097_151, [0xFF, 0xFF, 0x7F]), (2_097_152, [0x80, 0x80, 0x80, 1]),
            (268_435_455, [0xFF, 0xFF, 0xFF, 0x7F]),
        ] as [(Int, [UInt8])] {
            var buffer = ByteBuffer()
            VariableByteInteger.write(UInt32(length), into: &buffer)
            #expect(Array(buffer.readableBytesView) == bytes)
            #expect(VariableByteInteger.length(of: UInt32(length)) == bytes.count)
            let scanner = PacketScanner(maximumPacketSize: PacketScanner.largestPacket, version: .v5)
            let result = try ([0x30] + bytes).withUnsafeBytes { try scanner.scan($0) }
            if length > 0 {
                #expect(result == .incomplete(missing: length))
            } else {
                guard case .packet(let head) = result else {
                    Issue.record("not found")
                    return
                }
                #expect(head.isMinimal && head.packetLength == 2)
            }
        }
        for long in [[0x80, 0], [0x81, 0x80, 0], [0xFF, 0xFF, 0x80, 0]] as [[UInt8]] {
            #expect(scanned([0x30] + long, .v5) == .lengthNotMinimal)
            #expect(scanned([0x30] + long, .v311) == nil)
        }
        for version in ProtocolVersion.allCases {
            #expect(scanned([0x30, 0xFF, 0xFF, 0xFF, 0xFF], version) == .lengthTooLong)
            #expect(scanned([0x30, 0x80, 0x80, 0x80, 0x80, 0], version) == .lengthTooLong)
        }
    }

    // [MQTT-2.2.2-1 of 3.1.1] [MQTT-2.2.2-2 of 3.1.1] [MQTT-3.6.1-1 of 3.1.1] [MQTT-3.8.1-1 of 3.1.1]
    // [MQTT-3.10.1-1 of 3.1.1] [MQTT-3.14.1-1 of 3.1.1]
    @Test(
        "[MQTT-2.1.3-1] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1] reserved flags",
        arguments: PacketType.allCases.filter { $0 != .publish })
    func reservedFlags(type: PacketType) {
        let required: UInt8 = [.pubRel, .subscribe, .unsubscribe].contains(type) ? 2 : 0
        for flags in UInt8(0)..<16 {
            let expected: Violation? = flags == required ? nil : .reservedFlags
            #expect(scanned([type.rawValue << 4 | flags, 0], .v5) == expected)
            if type != .auth { #expect(scanned([type.rawValue << 4 | flags, 0], .v311) == expected) }
        }
    }

    @Test("[MQTT-3.2.2-15] a packet is refused as soon as its header says that it is too large")
    func tooLarge() {
        #expect(scanned([0x30, 98], .v5, maximum: 100) == nil)
        #expect(scanned([0x30, 99], .v5, maximum: 100) == .packetTooLarge)
        #expect(scanned([0x30, 0xFF], .v5, maximum: 100) == .packetTooLarge)
        #expect(scanned([0x30, 0x80], .v5, maximum: 100) == nil)
        #expect(scanned([0x30, 0x80, 0x01], .v5, maximum: 100) == .packetTooLarge)
    }

    @Test("an offset beyond the bytes finds nothing")
    func offsets() throws {
        let scanner = PacketScanner(maximumPacketSize: 100)
        let ping: [UInt8] = [0xC0, 0]
        for offset in [Int.min, -1, 2, 3, Int.max] {
            #expect(try ping.withUnsafeBytes { try scanner.scan($0, from: offset) } == .incomplete(missing: 2))
        }
    }

    private func scanned(_ bytes: [UInt8], _ version: ProtocolVersion, maximum: Int = .max) -> Violation? {
        bytes.withUnsafeBytes { bytes in
            do throws(Violation) {
                _ = try PacketScanner(maximumPacketSize: maximum, version: version).scan(bytes)
                return nil
            } catch {
                return error
            }
        }
    }

    private func scan(
        _ stream: [UInt8], by scanner: PacketScanner, _ next: (Int) -> Int
    ) throws -> [PacketType] {
        var types: [PacketType] = []
        var (offset, available) = (0, 0)
        while true {
            switch try stream[..<available].withUnsafeBytes({ try scanner.scan($0, from: offset) }) {
            case .packet(let head):
                types.append(head.type)
                offset += head.packetLength
            case .incomplete(let missing):
                guard available < stream.count else { return types }
                #expect(missing > 0)
                available = min(stream.count, max(available + 1, next(available)))
            }
        }
    }
}
