// SPDX-License-Identifier: Apache-2.0

extension CoAPDatagram {
    /// Numbers of options.
    public enum Number {
        // RFC 7252 section 12.2
        public static let ifMatch = 1
        public static let uriHost = 3
        public static let eTag = 4
        public static let ifNoneMatch = 5
        public static let uriPort = 7
        public static let locationPath = 8
        public static let uriPath = 11
        public static let contentFormat = 12
        public static let maxAge = 14
        public static let uriQuery = 15
        public static let accept = 17
        public static let locationQuery = 20
        public static let proxyURI = 35
        public static let size1 = 60
        /// RFC 7641
        public static let observe = 6
        // RFC 7959
        public static let block2 = 23
        public static let block1 = 27
        public static let size2 = 28
        // RFC 9175
        public static let echo = 252
        public static let requestTag = 292
    }
}
