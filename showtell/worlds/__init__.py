"""Made worlds: scenes whose every fact is known, because this package drew them.

`scene` draws, `facts` says what is there, `language` asks and answers about it, `cutouts` brings real things.
"""
