-- Every change of a scope's budget, oldest first.
if redis.call('EXISTS', key('scope', ask.scope)) == 0 then return answer({unknown = ask.scope}) end
return answer({amendments = redis.call('LRANGE', key('amendments', ask.scope), 0, -1)})
