//! What every database must do: each story takes a fresh `Db`, and runs on each
//! backend. Another database is another line at the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod accounts;
mod administration;
mod archive;
mod cast;
mod copying;
mod devices;
mod moving;
mod paging;
mod profiles;
mod pubsub;
mod roster;
mod undelivered;
mod uploads;
mod waist;

macro_rules! stories {
    ($backend:ident: $($file:ident { $($story:ident),* $(,)? })*) => {
        mod $backend {$(
            mod $file {$(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $story() {
                    let backend = crate::cast::$backend().await;
                    crate::$file::$story(backend.db.clone()).await;
                    backend.db.close().await;
                }
            )*}
        )*}
    };
}

macro_rules! every_story {
    ($backend:ident: $($waist:ident),*) => {
        stories! { $backend:
            waist {
                $($waist,)*
                a_query_sees_every_awaited_write,
                a_batch_is_stored_as_a_whole_or_not_at_all,
                a_failing_batch_hurts_no_neighbour,
                many_writers_share_few_commits,
                a_submitted_batch_keeps_its_place_and_comes_with_the_next_write,
                a_submitted_batch_is_written_even_if_nobody_writes_after_it,
                every_value_comes_back_as_it_was,
                inserts_and_deletions_that_come_together_keep_their_order,
                a_mistaken_statement_is_an_error_and_nothing_else,
                after_close_everything_is_unavailable,
            }
            accounts {
                a_localpart_belongs_to_one_account,
                credentials_can_be_replaced,
                a_disabled_account_is_still_there,
                accounts_are_listed_page_by_page,
                last_seen_is_remembered,
                a_deleted_account_leaves_nothing_behind,
                an_interrupted_deletion_is_finished_later,
            }
            moving {
                what_an_account_owns_is_counted_and_nobody_elses,
                a_message_in_the_archive_can_wait_again_once,
                all_private_xml_is_listed,
                accounts_with_keys_of_one_hash_are_found,
            }
            roster {
                an_item_comes_back_as_it_was_stored,
                each_change_takes_the_next_version,
                a_client_learns_what_changed_since_its_version,
                a_pending_request_is_not_shown_to_clients,
                a_version_that_is_too_old_or_unknown_needs_the_whole_roster,
                a_removed_item_that_comes_back_is_a_change_again,
                an_account_that_is_gone_gets_no_items,
            }
            archive {
                each_owner_has_a_copy_of_its_own,
                an_id_is_stored_once_per_owner,
                metadata_names_both_ends,
                the_newest_id_is_known_whoever_owns_it,
                what_is_for_an_account_that_is_gone_goes_with_it,
                a_query_that_names_an_unknown_message_finds_nothing,
                messages_are_fetched_by_their_ids,
                purging_spares_what_is_young_or_undelivered,
                an_owner_can_purge_everything_in_steps,
                a_purge_goes_on_where_its_last_step_ended,
            }
            paging {
                every_page_is_what_a_plain_list_would_give,
            }
            undelivered {
                messages_wait_in_order_until_cleared,
                a_transient_message_is_gone_once_delivered,
                reading_the_archive_clears_only_what_is_in_it,
                an_archived_message_stays_after_delivery,
            }
            devices {
                a_device_is_seen_again_under_its_id,
                the_device_unseen_for_longest_makes_room,
                a_used_token_ends_those_before_it,
                a_count_is_taken_once_and_only_upwards,
                a_revoked_device_is_gone_with_its_tokens,
                a_new_password_ends_every_token,
            }
            administration {
                a_token_is_found_by_its_secret_and_revoked_by_its_name,
                an_invitation_is_used_as_often_as_it_says,
                an_open_invitation_reserves_a_name,
                invitations_are_counted_listed_and_forgotten,
                the_audit_log_is_read_backwards_and_keeps_the_newest,
            }
            uploads {
                a_slot_becomes_a_file_once,
                a_part_is_added_by_one_of_two,
                equal_files_of_one_owner_share_a_medium_until_the_last_goes,
                slots_close_and_old_files_go,
                uploads_are_listed_page_by_page,
                what_is_held_and_what_is_lost_can_be_told,
                a_deleted_account_leaves_parts_to_be_removed,
            }
            copying {
                a_snapshot_stays_at_its_moment,
                every_row_is_read_once_in_the_order_of_its_key,
                a_copy_has_the_same_sums_and_goes_on_with_new_ids,
                a_merge_writes_only_what_differs,
                a_cleared_database_is_empty,
                a_database_says_what_fills_it,
            }
            profiles {
                archive_preferences_are_replaced_as_a_whole,
                the_blocklist_grows_shrinks_and_clears,
                private_xml_is_kept_by_name_and_namespace,
                a_vcard_has_one_photo,
            }
            pubsub {
                a_node_comes_back_as_it_was_stored,
                an_item_is_replaced_under_its_id_and_becomes_the_newest,
                a_node_keeps_its_newest_items,
                items_are_read_in_pages_from_either_end,
                retracted_items_are_gone_and_the_others_stay,
                a_removed_node_takes_its_items_along,
                two_accounts_have_nodes_of_the_same_name,
                any_order_of_publishing_and_retracting_leaves_what_a_list_would,
            }
        }
    };
}

every_story!(sqlite: a_statement_returns_what_it_wrote);
every_story!(inline: a_statement_returns_what_it_wrote);
every_story!(postgres: a_statement_returns_what_it_wrote);
// It has no RETURNING.
every_story!(mysql:);
