// SPDX-License-Identifier: Apache-2.0
import HTTPAdapter

@main struct Executable { static func main() async {} }
