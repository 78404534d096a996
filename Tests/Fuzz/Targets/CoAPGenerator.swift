// SPDX-License-Identifier: Apache-2.0
import TestKit

/// Requests of the right shape, more or less.
enum CoAPGenerator {
    private typealias Number = CoAPDatagram.Number

    static let seeds: [CoAPDatagram] = {
        let path = "/channels/\(CoAPTarget.channel)/messages"
        let pack = Array(#"[{"n":"t","v":1}]"#.utf8)
        return [
            .request(
                .confirmable, .post, path + "/hall?auth=12345", messageID: 1, token: [1],
                options: [.init(Number.contentFormat, 110)], payload: pack),
            .request(
                .confirmable, .get, path + "/a/b?auth=12345", messageID: 2, token: [1, 2],
                options: [.init(Number.observe, 0), .init(Number.accept, 112), .init(Number.eTag, [1, 2, 3, 4])]),
            .request(
                .nonConfirmable, .put, "/m/home/c/kitchen/a?auth=12345", messageID: 3,
                options: [.init(Number.block1, 8 | 0), .init(Number.size1, 32)], payload: Array(pack.prefix(16))),
            .request(
                .confirmable, .get, path + "?auth=12345", messageID: 4, token: [1, 2, 3, 4, 5, 6, 7, 8],
                options: [.init(Number.block2, 1 << 4 | 6), .init(Number.echo, Array(repeating: 7, count: 16))]),
            .request(.confirmable, .get, "/.well-known/core?href=/m*", messageID: 5),
            .request(.confirmable, .get, "/things/\(CoAPTarget.channel)/twin/get", messageID: 6),
        ]
    }()

    static func request(_ random: inout SeededRandom) -> CoAPDatagram { change(random.pick(seeds), &random) }

    /// The same with another identifier and token, and now and then another method, more options, another payload.
    static func change(_ request: CoAPDatagram, _ random: inout SeededRandom) -> CoAPDatagram {
        var datagram = request
        datagram.kind = random.oneIn(4) ? .nonConfirmable : .confirmable
        datagram.messageID = UInt16(truncatingIfNeeded: random.next())
        datagram.token = (0..<random.below(9)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        if random.oneIn(3) { datagram.code = .init(0, UInt8(random.below(9))) }
        for _ in 0..<random.below(4) { datagram.options.append(option(&random)) }
        if random.oneIn(3) {
            let size = random.oneIn(2) ? 16 << random.below(7) : random.below(1_100)
            datagram.payload = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        }
        return datagram
    }

    private static func option(_ random: inout SeededRandom) -> CoAPDatagram.Option {
        let block = UInt32(random.below(random.oneIn(4) ? 1 << 20 : 8)) << 4 | UInt32(random.below(16))
        switch random.below(12) {
        case 0: return .init(Number.uriPath, random.pick(["a", "+", "#", "50%", "a/b", "", "\u{E9}", "a.b"]))
        case 1: return .init(Number.uriQuery, random.pick(["auth=1", "x", "href=/m", "href=*", ""]))
        case 2: return .init(Number.contentFormat, random.pick([0, 42, 50, 60, 110, 112, 65_535]))
        case 3: return .init(Number.accept, random.pick([0, 40, 42, 50, 110, 112, 65_535]))
        case 4, 5: return .init(Number.block1, block)
        case 6, 7: return .init(Number.block2, block)
        case 8: return .init(Number.observe, UInt32(random.below(3)))
        case 9: return .init(Number.size1, UInt32(truncatingIfNeeded: random.next() >> UInt64(random.below(64))))
        case 10: return .init(Number.echo, (0..<random.below(41)).map { _ in UInt8(truncatingIfNeeded: random.next()) })
        default: return .init(random.below(70_000), (0..<random.below(20)).map { UInt8($0) })
        }
    }
}
