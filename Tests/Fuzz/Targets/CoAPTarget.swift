// SPDX-License-Identifier: Apache-2.0
import CoAPAdapter
import Core
import Messaging
import NIOCore
import TestKit

/// Datagrams: what the adapter reads of a request, and the answers that it makes of it, behind the library that takes the message apart.
struct CoAPTarget: FuzzTarget {
    static let channel = "5f8a6a3e-9c1e-7d2b-8a4f-0123456789ab"
    private static let peer = PeerAddress(ipv4: 0x7F00_0001, port: 5683)
    /// What the answer to a GET is cut from.
    private static let body = ByteBuffer(bytes: (0..<3_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })

    let name = "coap"

    let seeds: [[UInt8]] = CoAPGenerator.seeds.map(\.bytes)

    let dictionary: [[UInt8]] =
        [
            [0xB8] + Array("channels".utf8), [0x0D, 0x17] + Array(channel.utf8), [0x08] + Array("messages".utf8),
            [0x4A] + Array("auth=12345".utf8), [0x12, 0x10, 0x6E], [0x52, 0x10, 0x70], [0x60], [0x61, 0x01],
            [0xD1, 0x0A, 0x07], [0xD1, 0x0E, 0x0E], [0xD3, 0x0E, 0xFF, 0xFF, 0xFE], [0xFF], [0xFF, 0x5B, 0x5D],
            [0xF0], [0x0F], [0xE0, 0xFF, 0xFF], [0x0E, 0xFF, 0xFF], [0xD1, 0xF0, 0x1A],
        ] + ["%", "/", "+", "#", ".well-known", "core", "href=/m*", "auth="].map { Array($0.utf8) }

    func generate(_ random: inout SeededRandom) -> [UInt8] { CoAPGenerator.request(&random).bytes }

    func check(_ input: [UInt8]) throws(Disagreement) -> Bool {
        guard let datagram = try? CoAPDatagram(input),
            datagram.options.allSatisfy({ $0.number <= Int(UInt16.max) })
        else { return false }
        var options = CoAPOptions()
        for option in datagram.options {
            option.value.withUnsafeBytes { options.add(UInt16(truncatingIfNeeded: option.number), $0) }
        }
        try check(options, datagram)
        guard let token = datagram.token.withUnsafeBytes({ CoAPToken($0) }) else {
            throw Disagreement("a token of \(datagram.token.count) bytes is refused")
        }
        guard token.withBytes({ Array($0) }) == datagram.token else { throw Disagreement("the token is another one") }
        var isAccepted = false
        for transport in [CoAPTransport.udp, .tcp] {
            let request = CoAPRequest(
                method: CoAPMethod(rawValue: datagram.code.rawValue), transport: transport, peer: Self.peer, session: 0,
                proof: nil, isConfirmable: datagram.kind == .confirmable, messageID: datagram.messageID, token: token,
                options: options, payload: ByteBuffer(bytes: datagram.payload))
            if try checkTarget(request) { isAccepted = true }
            try checkAssembly(request)
            try checkSlices(request)
            try checkName(request)
        }
        try checkDiscovery(options)
        return isAccepted
    }

    // MARK: What is read

    private func check(_ options: CoAPOptions, _ datagram: CoAPDatagram) throws(Disagreement) {
        func values(_ number: Int) -> [[UInt8]] { datagram.options.filter { $0.number == number }.map(\.value) }
        guard options.path == values(CoAPDatagram.Number.uriPath), options.query == values(CoAPDatagram.Number.uriQuery)
        else { throw Disagreement("path or query are others: \(options)") }
        let numbers = [
            (CoAPDatagram.Number.contentFormat, 2), (CoAPDatagram.Number.accept, 2), (CoAPDatagram.Number.block1, 3),
            (CoAPDatagram.Number.block2, 3),
        ]
        let isGood = numbers.allSatisfy { number, bytes in
            values(number).count <= 1 && values(number).allSatisfy { $0.count <= bytes }
        }
        guard isGood == (options.malformed == nil) else {
            throw Disagreement("\(isGood ? "good" : "bad") options are read as \(options)")
        }
        if isGood {
            func integer(_ number: Int) -> UInt32? { datagram.option(number)?.integer }
            guard options.contentFormat.map(UInt32.init) == integer(CoAPDatagram.Number.contentFormat),
                options.accept.map(UInt32.init) == integer(CoAPDatagram.Number.accept),
                options.block1?.value == integer(CoAPDatagram.Number.block1),
                options.block2?.value == integer(CoAPDatagram.Number.block2)
            else { throw Disagreement("numbers are read otherwise: \(options)") }
        }
        guard options.size >= datagram.options.reduce(0, { $0 + $1.value.count }) else {
            throw Disagreement("the size of the options is too small")
        }
    }

    private func checkTarget(_ request: CoAPRequest) throws(Disagreement) -> Bool {
        var found: [RequestTarget?] = []
        for isFilter in [false, true] {
            do throws(Refusal) {
                found.append(try RequestTarget(request.options, isFilter: isFilter))
            } catch {
                found.append(nil)
                try checkSize(error.response)
                guard !error.reason.isEmpty, !error.code.isSuccess else { throw Disagreement("no refusal: \(error)") }
            }
        }
        guard let published = found[0] else { return found[1] != nil }
        guard found[1] == published else {
            throw Disagreement("published as \(published), subscribed as \(found[1] as Any)")
        }
        if case .messages(let path) = published.resource {
            guard
                SubjectFilter.isValidSubject(
                    Subjects.messages(channel: ChannelID(high: 1, low: 2), subtopic: path.subtopic))
            else { throw Disagreement("no subject: \(path)") }
        }
        return true
    }

    private func checkName(_ request: CoAPRequest) throws(Disagreement) {
        let name = MessageName.of(request)
        guard name?.utf8.count == (request.transport == .udp ? 35 : nil), name == MessageName.of(request) else {
            throw Disagreement("a message's name is \(name as Any)")
        }
    }

    // MARK: Blocks

    private func checkAssembly(_ request: CoAPRequest) throws(Disagreement) {
        guard let block = request.options.block1 else { return }
        var limits = BodyAssembly.Limits()
        limits.maximumBody = 2_048
        limits.maximumBytes = 4_096
        var bodies = BodyAssembly(limits)
        let key = BodyAssembly.Key(request)
        func add(_ block: CoAPBlock) throws(Disagreement) -> Bool {
            do throws(Refusal) {
                try bodies.add(
                    request.payload, block, size: request.options.size1, to: key,
                    isReliable: request.transport.isReliable,
                    now: 1)
                return true
            } catch {
                try checkSize(error.response)
                return false
            }
        }
        // As it is, and in its place.
        _ = try add(block)
        let size = max(1, request.payload.readableBytes)
        var isTaken = true
        var number: UInt32 = 0
        while isTaken, number < 8 {
            isTaken = try add(CoAPBlock(number: number, isMore: block.isMore, sizeExponent: block.sizeExponent))
            number += max(1, UInt32(size / block.size))
            guard bodies.heldBytes <= limits.maximumBytes, bodies.count <= 1 else {
                throw Disagreement("\(bodies.heldBytes) bytes of \(bodies.count) bodies are held")
            }
        }
        let whole = bodies.take(key)
        guard bodies.heldBytes == 0, bodies.count == 0, (whole?.readableBytes ?? 0) <= limits.maximumBody else {
            throw Disagreement("a body of \(whole?.readableBytes ?? 0) bytes, and \(bodies.heldBytes) held")
        }
    }

    private func checkSlices(_ request: CoAPRequest) throws(Disagreement) {
        guard let block = request.options.block2 else { return }
        var slices = BodySlices(maximumBytes: 1 << 16)
        let content = Content(payload: Self.body, contentFormat: request.options.accept)
        for room in [16, 100, 1_024, 1 << 20] {
            let response: CoAPResponse
            do throws(Refusal) {
                response = try slices.begin(content, BodyAssembly.Key(request), block, room: room, now: 1)
            } catch {
                try checkSize(error.response)
                continue
            }
            try checkSlice(response)
            try checkSize(response)
            guard response.payload.readableBytes <= room else { throw Disagreement("more than there is room for") }
            if let next = try? slices.next(BodyAssembly.Key(request), block, now: 2) { try checkSlice(next) }
        }
    }

    private func checkSlice(_ response: CoAPResponse) throws(Disagreement) {
        guard let block = response.block2, block.sizeExponent < CoAPBlock.bert, block.number < 1 << 20,
            CoAPBlock(block.value) == block,
            let expected = Self.body.getSlice(
                at: block.offset, length: min(block.size, Self.body.readableBytes - block.offset)),
            expected == response.payload,
            block.isMore == (block.offset + response.payload.readableBytes < Self.body.readableBytes)
        else {
            throw Disagreement(
                "no block of the body: \(response.block2 as Any), \(response.payload.readableBytes) bytes")
        }
    }

    // MARK: Answers

    private func checkDiscovery(_ options: CoAPOptions) throws(Disagreement) {
        let document = LinkFormat.document(options.query)
        guard document.readableBytes <= LinkFormat.document([]).readableBytes else {
            throw Disagreement("a filter finds more than there is")
        }
        var verified = VerifiedAddresses()
        verified.insert(Self.peer, now: 1)
        if let echo = options.echo, verified.isGood(echo, of: Self.peer, now: 1 << 62) {
            throw Disagreement("an Echo option is taken that nobody was given")
        }
        for number in [options.accept, options.contentFormat].compactMap({ $0 }) {
            for type in [ContentType.senmlJSON, .senmlCBOR, .json, .octetStream] {
                guard let (_, format) = Representation.of(type, as: number) else { continue }
                guard format == number else { throw Disagreement("\(type) as \(number) is \(format as Any)") }
            }
        }
    }

    /// What an answer is said to take at the most is what is compared with three times the request.
    private func checkSize(_ response: CoAPResponse) throws(Disagreement) {
        let datagram = CoAPDatagram(
            .acknowledgement, .init(rawValue: response.code.rawValue), messageID: 1, token: [1, 2, 3, 4, 5, 6, 7, 8],
            options: response.options.map { .init(Int($0.number), $0.value) },
            payload: Array(response.payload.readableBytesView))
        guard datagram.bytes.count <= response.size else {
            throw Disagreement("\(datagram.bytes.count) bytes are said to be \(response.size)")
        }
    }
}
