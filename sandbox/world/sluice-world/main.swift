import World

await WorldCommandLine.main()
