"""Words that tell what a prompt or a schema asks for, with weights in log-odds; ``lexicon`` holds those of names.

A prompt speaks another language than a name: a node called ``answer`` answers the user, but nearly every prompt says
"answer" somewhere. So the two have tables of their own, and these weights are smaller. Source that stands in the
bag, such as the class of a schema, speaks through its field names (``binary_score``, ``next``, ``subtasks``).
"""

from langroute.steps.lexicon import build

_CONTROL = """
    route 2, router 2, routing 2, reroute 1.5, classify 1.6, classifier 1.6, classification 1.6, category 1.2,
    categorize 1.5, bucket 1, intent 1.6, triage 2, decide 1.4, decision 1.2, choose 1.3, chosen .8, select .9,
    selection .8, pick .9, which .5, next 1.2, plan 1.6, planner 1.8, replan 2, subtask 1.6, subquestion 1.4,
    subproblem 1.4, subtopic 1, decompose 1.8, decomposition 1.8, breakdown 1.5, break 1, supervisor 2, supervise 2,
    manager 1.2, worker 1.4, team 1, member .8, delegate 1.8, assign 1.4, orchestrate 2, orchestrator 2, coordinate
    1.4, coordinator 1.6, handoff 1.8, transfer 1.2, escalate 1.2, escalation 1, finish 1, datasource 2, vectorstore
    1, option .7, branch .8, destination 1.6, goto 1.2, dispatch 1.6, priority 1, prioritize 1.2, urgent .9, urgency
    1, outline 1.6, strategy .9, strategic .8, roadmap 1.4, milestone 1, clarify 1.5, clarifying 1.5, clarification
    1.6, ambiguous 1.2, ambiguity 1, acronym .6, tool .7, action .7, thought .9, react .8, observation .5, continue
    .7, terminate 1, proceed .7, complexity 1.1, complex .4, simple .3, literal .7, enum .9, sequence .6, step .5,
    dependency .8, agenda 1, whether .3, should .3, notify .8, ignore .4, spam .7, distinct .4, perspective .6,
    persona .7, scope .6, goal .4, objective .5, handle .5, available .3, appropriate .3, best .2, workflow .4,
    approach .4, specialist .4, agent .3, subagent .8, call .3, determine .4, necessary .2, topic .4, theme .5,
    request .3, need .2, delegation 1.6, assignment .8, ordering .6, parallel .6, require .2, intention 1, type .3
"""
_EXECUTION = """
    extract 1.6, extraction 1.6, extractor 1.6, entity 1, relationship .5, query .6, queries .8, search .8, sql 1.2,
    dialect 1, database .7, table .4, column .4, code .5, python .7, script .6, function .2, import .3, implement
    .8, developer .6, programmer .8, engineer .4, translate 1.4, translator 1.4, rewrite 1.4, rephrase 1.4,
    reformulate 1.4, paraphrase 1.4, standalone 1, convert 1.2, transform 1, transcribe 1.2, summarize .8, summary
    .5, summarizer .8, condense 1, compress 1, update .8, memory .6, memories .8, remember .6, save .7, store .4,
    profile .5, preference .5, draft .8, revise .9, revision .7, reviser 1.2, edit .6, editor .3, compose .6, section
    .4, paragraph .4, chapter .5, web .4, url .5, page .2, retrieve .5, fetch .6, keyword .8, term .4, optimize .6,
    expand .8, expert .4, interview .9, interviewer .8, ask .3, joke .6, story .6, poem .8, character .3, generate
    .3, create .2, write .3, writer .2, json .3, schema .3, parse .8, field .1, filter .7, merge .6, consolidate .8,
    chunk .6, transcript .4, conversation .1, instruction .1, perform .3, execute .7, run .3, calculate .8, compute
    .7, image .6, analyst .3, analyze .3, analysis .3, identify .3, infer .5, sentiment .7, label .4, date .2,
    meeting .5, calendar .5, email .3, existing .4, hypothetical 1, candidate .3, solution .3, solve .5, tweet .8,
    post .5, caption .8, brainstorm .5, idea .4, list .1, research .3, gather .5, collect .5, source .1, tavily .5,
    engine .4, collection .3, patch .5, record .3, debate .5, argue .6, simulate .7, role .1, play .2, current .1
"""
_VERIFICATION = """
    grade 2, grader 2, grading 1.8, binary 1.4, score 1.3, scoring 1.2, yes .7, no .2, relevant .3, relevance .9,
    irrelevant .7, assess 1.1, assessment 1.1, evaluate 1.3, evaluation 1.3, evaluator 1.6, critic 1.8, critique
    1.8, criticize 1.5, criticism 1.5, criteria .8, criterion .8, review 1.1, reviewer 1.4, feedback .8, verify 1.4,
    verification 1.5, verifier 1.6, validate 1.4, validation 1.4, validator 1.5, valid 1, invalid .9, check .9,
    checker 1.4, fact .5, factual .8, accurate .2, accuracy .4, hallucination 1.3, grounded .9, support .2, useful
    .3, correct .6, correctness 1.1, error .4, mistake .7, issue .5, flaw 1.2, weakness 1.1, strength .6, missing
    .6, superfluous 1.2, quality .5, pass .7, passed .9, fail .7, failed .7, approve .9, approved .9, reject .8,
    judge 1.4, judgement 1.2, judgment 1.2, rubric 1.4, rate .7, rating .9, strict .4, improve .3, improvement .6,
    suggestion .4, gap 1, complete .2, completeness .8, sufficient .7, insufficient .8, satisfactory 1.3, satisfied
    .8, compliance .8, comply .5, safe 1, unsafe 1.3, safety 1, harmful 1, violation 1, violate .9, policy .5,
    moderation 1.3, moderate .7, injection 1.2, malicious 1, toxic 1, guardrail 1.4, jailbreak 1.2, bias .6,
    consistent .4, consistency .7, inconsistent .7, contradict .8, contradiction .8, compare .5, winner .8, rank .9,
    best .5, reflect .8, reflection .9, audit 1.1, inspect .9, confidence .3, boolean .4, bool .5, tester .7,
    guideline .3, verdict 1.3, acceptable .8, accept .6, ungrounded 1, adequate .6, address .3, justify .4, lack .4
"""
_PRESENTATION = """
    user .3, helpful .8, assistant .4, friendly 1, polite .8, tone .5, empathetic 1, warm .6, respond .7, response
    .3, reply .7, answer .4, concise .5, conversational 1, conversation .3, chat .6, chatbot 1.1, greet .9, greeting
    .9, customer .4, final .5, report .8, markdown .5, reference .4, citation .6, cite .5, introduction .6,
    conclusion .7, comprehensive .4, synthesize .9, synthesis .9, combine .4, aggregate .6, reader .7, heading .5,
    header .3, know .4, maximum .3, sentence .2, language .2, personalize .8, professional .3, article .4, explain
    .3, summary .2, present .6, well .2, structured .1, directly .4, converse .8, thank .6, apologize .8, detail .2,
    bullet .3, clear .2, engaging .5, blog .3, executive .5, newsletter .8, finding .3, insight .2, history .2,
    context .1, retrieved .3, question .1, information .1, deliver .5, compile .5, title .2, publish .5, readable
    .5, audience .5, speak .5, say .3, recommendation .2, advice .5, final_answer 1.2, cohesive .6, coherent .4
"""

CUES = build(_CONTROL, _EXECUTION, _VERIFICATION, _PRESENTATION)
"""Stem to weights, for prompts and the fields of schemas."""

_STARTS = frozenset(key[:3] for key in CUES)


def may_match(word: str) -> bool:
    """Whether the table may hold the stem of a word; a cheap filter, as stems keep three letters."""
    return word[:3].lower() in _STARTS
