"""Words that tell the kind of a node, with weights in log-odds: the evidence that ``classify`` adds up.

Keys are written as plain words and reduced to stems when the table is built, so that ``plan``, ``planner`` and
``planning`` are one entry. A key of two words joined by ``_`` matches them side by side and replaces their own weights.
"""

import re
from functools import lru_cache

Weights = tuple[float, float, float, float]
"""Weights for control, execution, verification and presentation, in the order of ``records.KINDS``."""

_CONTROL = """
    plan 3, planner 3, replan 3, route 3, supervise 3, supervisor 3, orchestrate 3, coordinate 2.5, delegate
    2.5, dispatch 2.5, triage 3, classify 2.2, categorize 2, decide 2.5, decision 2.5, choose 2, choice 1.5,
    select 1.2, intent 2, handoff 2.5, transfer 1.5, manager 1.8, boss 2, lead 1.2, leader 1.5, director 2,
    think 1.8, thought 1.5, reason 1.2, outline 2.2, decompose 2.5, decomposition 2.5, breakdown 2, clarify 2,
    clarification 2, clarifier 2, strategy 1.8, strategist 2, next 1, topic .8, scope 1.2, brief 1, prioritize
    1.6, schedule 1, scheduler 1.5, assign 1.5, workflow .5, should 2, whether .8, controller 2.2, control 1.8,
    policy .8, goal .8, subgoal 1.5, todo .4, split .5, approach .8, subtask 1.5, subtopic 1.2, subquestion 2,
    dispatcher 2.5, selector 1.8, switch 1.2, gateway 1.5, entry .5, intake 1.2, sub_question 2.2, choose_tool
    3, select_tool 2.5, next_step 2, next_action 2, query_plan 2.5, task_planner 3, query_router 3, create_plan
    3, agent_router 3, research_plan 3, report_plan 3, analyze_query 1.8, query_analyzer 1.8, query_analysis
    1.8, analyze_question 1.5, analyze_intent 2, research_brief 1.6, generate_topics 1.2, call_agent 1.4,
    task_decomposition 3, conversation_router 3, should_continue 2.5, determine_what 2.2, next_speaker 2.2,
    update_plan 3, analyze_request 1.5,
    navigate 1, navigator 1.5, allocate 2, conductor 2, chief 1.5, captain 1.5, facilitator 1.8,
    concierge 1.5, receptionist 1.2, escalate 2, escalation 2, branch 1.5, fork 1, gate .8, roadmap 2, milestone 1.5,
    agenda 1.8, curriculum 1.2, syllabus 1, blueprint 1.8, architect 1.5, react 1.5, tool_calling 2.2,
    llm_with_tools 2.5, tool_selection 2.5, select_agent 3, choose_agent 3, agent_selection 3, determine_next 2.5,
    decide_next 3, detect_intent 3, intent_detection 3, identify_intent 3, extract_intent 2.5, parse_intent 2.5,
    understand_query 1.5, understand 1.2, query_understanding 1.5, analyze_task 1.5, task_analysis 1.5,
    requirement .8, ask_clarification 2.5, ask_user 1.5, break_down 2, sub_topic 1.5, sub_task 2, generate_task
    1.8, create_task 1.8, task_generator 1.8, task_creator 1.8, task_manager 2, perspective 1.4, persona 1.2,
    query_type 2, question_type 2, complexity 1.5, urgency 1.2, priority 1.5, sort 1, mode .8, continue 1, loop .8,
    terminate 1.5, stop .8, agent 1.2, header .5, toc 1.5, table_content 1.5, generate_outline 3, arrange 1, pick
    1.2, preference .4, classification 2.2, classifier 2.2, need .6, coordinator 2.5, orchestration 3, expand_topic
    1.2, choose_next 3, pick_next 2.5, next_question 1, hypothesis_plan 2, subgraph_router 3, select_mode 2,
    next_worker 3, next_agent 3, next_node 3, split_task 2.2
"""
_EXECUTION = """
    execute 2.2, executor 2.2, extract 2.2, search 2, retrieve 2, retrieval 1.5, fetch 1.8, scrape 2, crawl 2,
    browse 1.8, research 2, rewrite 2, transform 2, translate 2, convert 1.8, parse 1.8, query .7, queries .9,
    expand 1.8, reformulate 2, rephrase 1.8, contextualize 1.5, condense 1.2, compress 1.2, summarize .9,
    summary .6, code 1.8, coder 2.2, coding 2, program 1.8, sql 1.6, python 1.5, calculate 1.8, compute 1.5,
    math 1.5, run 1, act 1.2, action .5, tool .5, work 1.5, worker 2.2, task .3, update 1.8, write .4, memory
    1.2, memories 1.2, save 1.5, store .8, draft 1.6, revise 1.8, edit 1.4, refine 1, improve 1.2, fix 1.5,
    repair 1.5, patch 1.4, implement 2, develop 1.6, engineer 1.2, generate .5, create .2, build .6, make .2,
    compose .7, collect 1.6, gather 1.6, load 1, process 1.2, analyze .9, analyst .9, analysis .9, section 1.3,
    chunk 1.5, document .6, embed 1.5, index 1, filter 1.4, merge 1, consolidate 1.6, combine .8, image 1,
    caption 1.5, transcribe 2, annotate 1.4, label 1, tag 1, enrich 1.6, entity .8, fact .2, data .7, web 1,
    wikipedia 1.5, arxiv 1.5, specialist 1.2, solve 1.5, solver 1.8, sample 1.2, candidate 1, propose
    .9, proposal .9, debate 1.2, round .6, simulate 1.5, interview .9, ask .8, question .5, email 1, joke .8,
    story .8, recommend .5, sub_answer 1.6, sub_query 1.2, generate_query 2, search_query 2, query_writer 2,
    write_query 2, generate_queries 2, write_section 2.2, write_code 2.2, generate_code 2.2, write_memory 2.2,
    update_memory 2.2, answer_question 1.2, generate_draft 2, generate_question 1, step 1, subagent 1.8, find
    1.2, lookup 1.5, look 1, get 1, detect .8, identify .7, determine .5, compare .6, infer .8, predict .9,
    estimate .9, technical .6, fundamental .8, sentiment .8, market .6, social .3, rag .5, hyde 1.5,
    hypothetical 1.2, map 1, reduce .8, collapse 1, execute_plan 3, run_plan 2.5, summarize_conversation 2,
    summarize_history 2, summarize_messages 2, doc_writer 1.5, test_generator 1.5, generate_test 2, write_test 2,
    expert 1.2, ingest 1.5, preprocess 1.5, postprocess 1, clean 1.2, cleanup 1.2, normalize
    1.5, ocr 1.5, transcript 1, localize 1.2, paraphrase 1.8, simplify 1.5, shorten 1.5, elaborate 1.2, enhance 1.2,
    optimize 1.2, polish 1, cypher 1.8, codegen 2, script 1, chart 1.3, plot 1.2, visualize 1.2, visualization 1.2,
    diagram 1.2, video 1, audio 1, voice .8, slide 1, poem 1, lyrics 1, haiku 1, essay .8, blog 1, post 1, tweet
    1.2, title 1, headline 1, description 1, resume 1, character 1, scene 1.2, chapter 1.3, paragraph 1.2, content
    1, copywriter 1.2, design 1, designer 1.2, developer 1.8, programmer 1.8, hypothesis 1.2, hypotheses 1.2, idea
    1, ideate 1.2, brainstorm 1, rollout 1.2, baseline .8, metadata 1.2, keyword 1.5, term .8, claim .8, fill 1,
    book .8, calendar 1, itinerary .8, recall 1.2, remember 1.2, persist 1.2, log 1, record 1, insert 1.2, upsert
    1.5, mapper 1, cluster 1.2, dedupe 1.2, profile 1, company .6, competitor .8, swot 1, trend .8, forecast 1,
    arithmetic 1.2, argue 1.2, advocate 1, negotiate 1, simulated_user 1.5, simulator 1.2, user_simulator 1.5,
    browser 1.8, explore 1.2, explorer 1.2, investigate 1.8, discover 1.2, discovery 1.2, survey 1, read 1,
    diagnose 1, diagnosis 1, troubleshoot 1.2, debug 1.2, attempt 1, suggest .6, knowledge .8, vector 1, example 1,
    prompt .8, news 1, stock .8, weather .8, finance .8, financial .8, legal .8, medical .8, trade .8, trader 1,
    bull 1, bear 1, artifact .8, refactor 1.6, migrate 1.2, subquery 1.2, rewriter 2, paper .6, literature .8,
    perform .8, conduct 1, handle .5, answer_sub 1.5, answer_subquestion 2, intermediate 1.2, partial 1, initial .6,
    increment .8, summarize_document 2, summarize_result 1.8, summarize_source 1.8, summarize_page 1.8,
    summarize_article 1.8, summarize_section 1.8, summarize_chunk 2, compress_research 2.2, research_agent 2.2,
    format_query 1.5, format_data 1.2, retry .4, scenario 1, quiz .8, exercise .8, letter .8, cover .6, ticket .5,
    extract_answer 1.8, evidence .8, context .5, history .4, embedding 1.5, tokenize 1.2, crawl_web 2, memory_manager
    2.5
"""
_VERIFICATION = """
    check 2.5, checker 2.5, verify 3, verifier 3, verification 3, validate 3, validator 3, validation 3, grade
    3, grader 3, critique 3, critic 3, criticism 2.5, review 2.5, reviewer 2.5, reflect 2, reflection 2, judge
    2.8, evaluate 2.8, evaluator 2.8, evaluation 2.5, assess 2, assessment 1.8, guard 2.8, guardrail 3,
    safeguard 2.8, safety 2, moderate 2.2, moderation 2.5, hallucination 2.5, ground 1, score 1.8, rank 1.2,
    test 1.6, tester 2, audit 2.5, auditor 2.5, inspect 1.8, quality 1.8, qa 1, confirm 1.2, compliance 1.8,
    risk .8, verdict 2, fact_check 3, fact_checker 3, approve 1.5, best 1, sanity 1.8, lint 1.5, relevance 1.2,
    relevant .5, satisfactory 2, consistency 1.2, proofread 1.8, screen 1, vote .8, grade_document 3,
    self_critique 3, output_guard 3, input_guard 3, check_relevance 3, plan_review 2.5, correct .5, rerank 1.8,
    review_code 3, code_review 3, code_reviewer 3,
    gatekeeper 1.8, faithful 2.2, faithfulness 2.5, grounding 1.5, groundedness 2.5, factual 1.5,
    truth 1.2, correctness 2.2, accuracy 1.5, completeness 2, sufficiency 2, sufficient 1.5, coverage 1.2, gap 1.5,
    contradiction 1.5, conflict 1, bias 1.5, toxic 2, toxicity 2, harm 1.5, jailbreak 2, injection 1.5, pii 1.5,
    eval 2.6, rater 1.8, rate 1.4, rating 1.6, feedback 1.3, monitor 1.5, referee 2, arbiter 1.8, adjudicate 2,
    jury 2, examine 1.5, examiner 1.8, double_check 3, cross_check 3, self_check 3, approval 1.5, quality_gate 3,
    red_team 1.5, challenge 1, refute 1.5, acceptance 1.5, rubric 2, metric 1, benchmark 1, reflexion 2.5,
    introspect 1.5, ensure 1.2, peer_review 3, gate .8, security 1, vulnerability 1, policy_check 3, check_answer
    3, grade_answer 3, grade_generation 3, evaluate_answer 3, evaluate_response 3, evaluate_plan 3, validate_plan
    3, review_plan 2.8, critique_plan 3, check_plan 3, review_report 3, review_draft 3, check_quality 3, tie_break
    1.2, safe 1.5, sanitize 1, verify_answer 3, output_check 3, is_relevant 2, is_valid 2, is_safe 2
"""
_PRESENTATION = """
    report 2, reporter 2.2, answer 1.4, respond 2, response 2, responder 2.2, reply 2, final 1.8, finalize 2,
    finalizer 2.2, finish 1.2, synthesize 1.5, synthesis 1.5, aggregate 1, aggregator 1.2, writer .9, write .3,
    conclusion 1.6, conclude 1.3, introduction 1.5, intro 1.5, present 1.8, presenter 2, format 1, formatter
    1.3, chat 1.5, chatbot 2, conversation .8, converse 1.5, explain 1, explanation 1, greet 1.8, greeting 1.8,
    assistant .9, generate .4, publish 1.6, publisher 1.8, deliver 1, output 1, message .4, user .4, speak 1.2,
    narrate 1.4, summary .5, summarize .5, fallback .8, off_topic 1.5, joiner .8, compile .8, model .6,
    call_model 1.2, call_llm 1.2, llm .5, final_answer 3, final_report 3, generate_answer 2.4, generate_response
    2.8, write_report 3, report_writer 3, final_response 3, direct_answer 2.2, direct_response 2.2,
    chat_response 2.5, answer_user 2, respond_user 2.5, finalize_answer 3, finalize_report 3, small_talk 2,
    general_chat 2, customer_reply 2, welcome 1.5, apologize 1.5, closing 1, wrap 1.2, recommend .4,
    conversational 2, talk 1.5, say 1, tell 1, notify 1.2, notification 1.2, announce 1.2, inform
    1, communicate 1.2, display 1.5, show 1.2, render 1.2, return .6, end .8, executive_summary 2, final_summary
    2.5, wrap_up 2, goodbye 2, farewell 2, hello 1.5, smalltalk 2, chitchat 2, casual 1.5, general .6, direct .8,
    faq 1.5, help .3, support .6, tutor 1, teacher .8, coach .8, advisor .8, reject .8, refuse 1.8, refusal 1.8,
    decline 1.5, out_scope 1.5, no_answer 1.5, newsletter 1.2, briefing 1.5, digest 1.2, article .8, complete .6,
    answer_question 1, generate_reply 2.5, write_answer 2.2, create_report 3, final_output 2.5, final_result 2,
    final_draft 1.5, final_synthesis 3, answer_query 1.8, write_final 2.5, synthesize_answer 3, synthesize_report 3,
    qa .5, rag_answer 2.2, generate_final 2.5, produce_report 3, compile_report 3, result .3, llm_response 2,
    human_response 1.2, call_chat 1.5, chat_model 1.5, format_output 1.5, format_answer 2, ai_response 2
"""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SUFFIX = re.compile(r"(?<=...)(?:at(?:ions?|ors?|ing|ed|es?)|ings?|ions?|ers?|ors?|ie[sd]|ed|es|s|e|y)$")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A word without its ending, lower case: crude, but the same for all forms of a word that matter here.

    >>> {stem(word) for word in ("plan", "plans", "planner", "planning", "Planned")}
    {'plan'}
    """
    word = _SUFFIX.sub("", word.lower(), count=1)
    if word.endswith("i"):
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl" else word


def words(text: str) -> list[str]:
    """The words of a text or identifier, in order; ``snake_case`` and ``camelCase`` are split."""
    return _WORD.findall(text)


def build(*columns: str) -> dict[str, Weights]:
    """The table of ``word weight, ...`` lists, one list per kind; a stem listed twice keeps its larger weight."""
    table: dict[str, list[float]] = {}
    for column, text in enumerate(columns):
        for entry in text.split(","):
            key, weight = entry.split()
            row = table.setdefault("_".join(stem(word) for word in key.split("_")), [0.0] * 4)
            row[column] = max(row[column], float(weight))
    return {key: (row[0], row[1], row[2], row[3]) for key, row in table.items()}


LEXICON: dict[str, Weights] = build(_CONTROL, _EXECUTION, _VERIFICATION, _PRESENTATION)
"""Stem, or two stems joined by ``_``, to weights."""

NOTHING: Weights = (0.0, 0.0, 0.0, 0.0)
_PREFIXES = ("re", "sub", "pre", "post", "un", "multi", "auto", "meta", "web", "fact", "code", "tool", "task", "self")
_LEAST_SHARED = 5
_RELATIVE = 0.7  # what a relative of a listed word counts


def find(key: str) -> tuple[str, Weights | None]:
    """The entry for a stem, and its weights: its own, or at a discount that of a listed relative.

    Relatives are what is left without a prefix (``recheck``) and a listed word it begins with (``guardian``). Without
    any, the weights are None.
    """
    row = LEXICON.get(key)
    if row is not None:
        return key, row
    for near in _relatives(key):
        row = LEXICON.get(near)
        if row is not None:
            return near, (row[0] * _RELATIVE, row[1] * _RELATIVE, row[2] * _RELATIVE, row[3] * _RELATIVE)
    return key, None


def _relatives(key: str) -> list[str]:
    found = [key.removeprefix(prefix) for prefix in _PREFIXES if key.startswith(prefix)]
    found += [key[:end] for end in range(len(key) - 1, _LEAST_SHARED - 1, -1)]
    return [near for near in found if len(near) > 2]
