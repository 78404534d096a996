// SPDX-License-Identifier: Apache-2.0
import ThingsService

@main struct Executable { static func main() async {} }
