// SPDX-License-Identifier: Apache-2.0
import NIOHTTP2

extension ConnectionLimits {
    /// What one HTTP/2 connection may do, kept by NIO; beyond, it is told ENHANCE_YOUR_CALM (RFC 9113 section 7) or the like and closed.
    ///
    /// Its other limits are NIO's own: 5 CONTINUATION frames in a row, one empty DATA frame in a row; 200 resets in 30 s (CVE-2023-44487), as many stream errors,
    /// and as many PING, SETTINGS and PRIORITY frames together; 10,000 control frames not sent yet; 100 streams until the client has acknowledged our SETTINGS.
    var http2: NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            // ``StreamAllowance`` tells the client of ``maximumStreams`` only.
            HTTP2Setting(parameter: .maxConcurrentStreams, value: maximumStreams + maximumRefusedStreams + 1),
            // Each field counts 32 bytes more than it has (RFC 9113 section 6.5.2), which bounds how many there are.
            HTTP2Setting(parameter: .maxHeaderListSize, value: maximumHeadBytes),
        ]
        configuration.targetWindowSize = connectionWindowBytes
        return configuration
    }
}
