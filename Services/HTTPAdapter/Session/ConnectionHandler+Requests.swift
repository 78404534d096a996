// SPDX-License-Identifier: Apache-2.0
import AdapterKit
import Core
import Messaging
import NIOCore
import NIOHTTP1

/// What a request's head asks for.
extension ConnectionHandler {
    func begin(_ head: HTTPRequestHead) {
        headBegan = false
        let now = NIODeadline.now()
        readDeadline = now + loop.limits.bodyTimeout
        let isHTTP10 = head.version == .http1_0
        var exchange = Exchange(
            startedAt: now, isHEAD: head.method == .HEAD, keepsAlive: carrier == .stream || head.isKeepAlive,
            isHTTP10: isHTTP10)
        let number = nextNumber
        let fields = RequestFields(head.headers)
        // The decoder stops behind a request to upgrade (it would hand the connection over), so such a connection ends with its answer.
        if fields.hasUpgrade || head.method == .CONNECT { exchange.keepsAlive = false }
        exchanges.append(exchange)
        if !exchange.keepsAlive { phase = .finishing }
        reading = .discarding(allowance: loop.limits.maximumDiscardedBytes)
        do throws(Refusal) {
            try check(head, fields)
            try route(head, fields, number: number)
        } catch {
            refuse(number, error, bodyFollows: fields)
        }
    }

    /// What holds for every request, whatever it is for.
    private func check(_ head: HTTPRequestHead, _ fields: RequestFields) throws(Refusal) {
        if let name = fields.repeated {
            throw Refusal(status: 400, reason: "field-repeated", "The field \(name) may stand only once.")
        }
        // RFC 9112 section 3.2.
        if !fields.hasHost && head.version == .http1_1 {
            throw Refusal(status: 400, reason: "host-missing", "An HTTP/1.1 request must have a Host field.")
        }
        if let coding = fields.transferEncoding, !ASCII.isEqualIgnoringCase(coding, "chunked") {
            throw Refusal(
                status: 501, reason: "transfer-encoding", "Of the transfer codings, only 'chunked' is understood.")
        }
        if let expect = fields.expect, !ASCII.isEqualIgnoringCase(expect, "100-continue") {
            throw Refusal(status: 417, reason: "expectation", "The only expectation that can be met is '100-continue'.")
        }
    }

    private func route(_ head: HTTPRequestHead, _ fields: RequestFields, number: UInt64) throws(Refusal) {
        if let document = ServiceDocuments.Name(target: head.uri) {
            switch head.method {
            case .GET, .HEAD: return answer(number, with: document)
            case .OPTIONS: return answer(number, .options(allow: "GET, HEAD, OPTIONS"))
            default:
                throw Refusal(
                    status: 405, reason: "method-not-allowed", "This resource can only be read.",
                    allow: "GET, HEAD, OPTIONS")
            }
        }
        // RFC 9110 section 9.3.7: the server as a whole.
        if head.method == .OPTIONS && head.uri == "*" {
            return answer(number, .options(allow: "GET, HEAD, POST, OPTIONS"))
        }
        if head.method == .GET { return try open(head, fields, number: number) }
        let path = try messagePath(head.uri)
        switch head.method {
        case .POST: try publish(to: path, head, fields, number: number)
        case .OPTIONS: answer(number, .options(allow: "GET, POST, OPTIONS"))
        default:
            throw Refusal(
                status: 405, reason: "method-not-allowed",
                "Messages are published with POST, and followed with GET.", allow: "GET, POST, OPTIONS")
        }
    }

    private func messagePath(_ target: String) throws(Refusal) -> MessagePath {
        do {
            return try MessagePath.publish(target, notation: .http)
        } catch {
            throw Refusal(status: error == .unknownPath ? 404 : 400, reason: error.reason, error.message)
        }
    }

    private func publish(
        to path: MessagePath, _ head: HTTPRequestHead, _ fields: RequestFields, number: UInt64
    ) throws(Refusal) {
        let credential: Credential
        do {
            credential = try Credential.parse(authorization: fields.authorization)
        } catch {
            throw Refusal(error)
        }
        let contentType = try contentType(fields)
        if let length = fields.contentLength {
            do throws(ServiceError) {
                try loop.policy.checkSize(length)
            } catch {
                throw Refusal(error)
            }
        }
        var key: IdempotencyKey?
        if let field = fields.idempotencyKey {
            key = IdempotencyKey(field: field)
            guard key != nil else {
                throw Refusal(
                    status: 400, reason: "idempotency-key",
                    "The Idempotency-Key must be a quoted string or a token of 1 to \(IdempotencyKey.maximumBytes) printable ASCII characters."
                )
            }
        }
        let request = PublishRequest(
            number: number, path: path, contentType: contentType, idempotencyKey: key,
            traceparent: TraceParent.validated(fields.traceparent), announcedBytes: fields.contentLength)
        reading = .body(request)
        // RFC 9110 section 10.1.1: an HTTP/1.0 client's expectation is ignored.
        if fields.expect != nil, fields.contentLength != 0, head.version != .http1_0 {
            exchanges[exchanges.index(before: exchanges.endIndex)].owesContinue = true
        }
        authorize(request, credential)
    }

    private func contentType(_ fields: RequestFields) throws(Refusal) -> ContentType {
        if let coding = fields.contentEncoding, !ASCII.isEqualIgnoringCase(coding, "identity") {
            throw Refusal(
                status: 415, reason: "content-encoding", "Compressed payloads are not taken: send the content as it is."
            )
        }
        guard let field = fields.contentType else {
            throw Refusal(
                status: 415, reason: "content-type-missing",
                "Name the payload's Content-Type, such as application/senml+json, application/senml+cbor, application/json or application/octet-stream."
            )
        }
        guard let contentType = ContentType(mediaType: field) else {
            throw Refusal(
                status: 415, reason: "content-type-unusable", "The Content-Type is not a media type ('type/subtype').")
        }
        return contentType
    }

    /// Answers a request whose body may still be on its way: what is small is read past, before anything larger the connection is closed.
    private func refuse(_ number: UInt64, _ refusal: Refusal, bodyFollows fields: RequestFields) {
        let isTooMuch = (fields.contentLength ?? 0) > loop.limits.maximumDiscardedBytes
        // Whether a client that waits for 100 will send the body now is not known: where the next request begins neither.
        answer(number, .refused(refusal), closes: isTooMuch || fields.expect != nil)
    }

    /// Bytes that are no HTTP: says what is wrong and ends the connection, for nobody knows where the next request would begin.
    func refuseUnreadable(_ error: HTTPParserError) {
        let refusal = Self.refusal(for: error)
        switch reading {
        case .head:
            // Within a head, of which nothing is in the queue yet.
            let number = nextNumber
            exchanges.append(Exchange(startedAt: .now(), isHEAD: false, keepsAlive: false, isHTTP10: false))
            answer(number, .refused(refusal), closes: true)
        case .body(let request):
            drop(request)
            answer(request.number, .refused(refusal), closes: true)
        case .discarding:
            // Answered already; only the connection is to end.
            loop.metrics.count(refused: refusal.reason)
        }
        reading = .discarding(allowance: 0)
        phase = .finishing
        if !isInRead { writeAnswers() }
    }

    private static func refusal(for error: HTTPParserError) -> Refusal {
        switch error {
        case .headerOverflow:
            Refusal(
                status: 431, reason: "head-too-large",
                "The request line and header fields are larger than this server reads.")
        case .invalidVersion:
            Refusal(status: 505, reason: "http-version", "This server speaks HTTP/1.1 and HTTP/1.0.")
        case .invalidMethod:
            Refusal(status: 400, reason: "http-method", "The request does not begin with a method that HTTP knows.")
        case .invalidURL:
            Refusal(status: 400, reason: "http-target", "The request target is not a valid URI reference.")
        case .invalidHeaderToken:
            Refusal(status: 400, reason: "http-field", "A header field holds a character that may not stand there.")
        case .invalidContentLength, .unexpectedContentLength:
            Refusal(
                status: 400, reason: "http-content-length",
                "Content-Length is not one number, or stands beside Transfer-Encoding.")
        case .invalidChunkSize:
            Refusal(status: 400, reason: "http-chunk", "A chunk does not begin with its size in hexadecimal digits.")
        case .invalidEOFState, .closedConnection:
            truncated
        default:
            Refusal(status: 400, reason: "http-syntax", "This is not an HTTP/1.1 request.")
        }
    }
}
