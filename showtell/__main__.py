"""`python -m showtell` is the `showtell` command."""

from showtell.cli.main import main

raise SystemExit(main())
